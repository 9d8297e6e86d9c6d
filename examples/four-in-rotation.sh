#!/bin/sh
# Four servers in rotation: any four connections in a row go to four different ones.
#
#   clients --- 192.168.1.1 [this router] 10.0.0.1 --- 10.0.0.2 to 10.0.0.5, port 8080
#               port 80
#
#   sh four-in-rotation.sh up --engine kernel                          no daemon
#   sh four-in-rotation.sh up && sh four-in-rotation.sh run            with a daemon
#   sh four-in-rotation.sh down
#
# The common recipe of four rules with `--every 4` is wrong: each rule sees only what the rules
# before it left. `sh four-in-rotation.sh print --engine kernel` shows 4, 3, 2 and the rest.
set -eu
verb=$1
shift
exec wanmark "$verb" \
	--kernel-mode nth \
	--service web,listen=192.168.1.1:80/tcp,strategy=round-robin \
	--backend web,to=10.0.0.2:8080 \
	--backend web,to=10.0.0.3:8080 \
	--backend web,to=10.0.0.4:8080 \
	--backend web,to=10.0.0.5:8080 \
	"$@"
