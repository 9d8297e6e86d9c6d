#!/bin/sh
# One address in front of five servers.
#
#   clients --- 192.168.1.1 [this router] 10.0.0.1 --- 10.0.0.2 to 10.0.0.6
#               port 27017                             port 1234
#
#   sh five-servers.sh up --engine kernel --kernel-mode nth       each in turn; no daemon
#   sh five-servers.sh up --engine kernel --kernel-mode random    a draw for each connection
#
#   sh five-servers.sh up && sh five-servers.sh run               the same with a daemon,
#   STRATEGY=random sh five-servers.sh run                        by any of its strategies
#
#   sh five-servers.sh down
#
# The servers see the clients' own addresses, so their answers have to go through this router.
set -eu
verb=$1
shift
exec wanmark "$verb" \
	--service "db,listen=192.168.1.1:27017/tcp,strategy=${STRATEGY:-round-robin}" \
	--backend db,to=10.0.0.2:1234 \
	--backend db,to=10.0.0.3:1234 \
	--backend db,to=10.0.0.4:1234 \
	--backend db,to=10.0.0.5:1234 \
	--backend db,to=10.0.0.6:1234 \
	"$@"
