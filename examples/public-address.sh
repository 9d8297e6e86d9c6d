#!/bin/sh
# Three servers behind a public address. The router forwards nothing by itself (iptables -P
# FORWARD DROP), and the servers' default route leads to another router.
#
#   internet --- 192.0.2.100 [this router] 10.0.0.1 --- 10.0.0.2 to 10.0.0.4, port 8080
#                port 80
#
#   sh public-address.sh up --engine kernel --kernel-mode nth       rotating; no daemon
#   sh public-address.sh up --engine kernel --kernel-mode random    random
#
#   sh public-address.sh up && sh public-address.sh run             rotating, with a daemon
#   STRATEGY=random sh public-address.sh run                        random
#
#   sh public-address.sh down
#
# snat=10.0.0.1: the servers see all connections come from 10.0.0.1, so they answer this router.
# --forward-accept lets this service's connections to its servers pass, and their answers.
set -eu
verb=$1
shift
exec wanmark "$verb" \
	--service "web,listen=192.0.2.100:80/tcp,snat=10.0.0.1,strategy=${STRATEGY:-round-robin}" \
	--backend web,to=10.0.0.2:8080 \
	--backend web,to=10.0.0.3:8080 \
	--backend web,to=10.0.0.4:8080 \
	--forward-accept \
	"$@"
