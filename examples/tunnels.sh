#!/bin/sh
# Two tunnels between a branch and a hub, over two lines. Each end balances what it sends: run
# this on both ends, with NEAR and FAR exchanged.
#
#   LAN --- [branch] tun1 === 203.0.113.1 ... 203.0.113.2 === tun1 [hub] --- LAN
#                    tun2 === 203.0.113.5 ... 203.0.113.6 === tun2
#
#   sh tunnels.sh links                            makes tun1 and tun2 (IPIP)
#   sh tunnels.sh up --engine kernel --kernel-mode nth              connections, in turn
#   sh tunnels.sh up --engine kernel --kernel-mode nth --per packet packets, in turn
#   sh tunnels.sh up && sh tunnels.sh run                           connections, with a daemon
#   sh tunnels.sh down
#
# The end that opens a connection chooses its tunnel, for both directions. With `--per packet`
# each end spreads all packets, answers too: one transfer may then be as fast as both lines
# together if they are alike; if not, its packets overtake each other.
#
# Only connections that the main table sends by its default route are balanced, so the far LAN
# must have no route of its own. The far ends of the tunnels have one, so they are not balanced.
set -eu
verb=$1
shift
NEAR1=${NEAR1:-203.0.113.1} FAR1=${FAR1:-203.0.113.2}
NEAR2=${NEAR2:-203.0.113.5} FAR2=${FAR2:-203.0.113.6}

if [ "$verb" = links ]; then
	ip link add tun1 type ipip local "$NEAR1" remote "$FAR1"
	ip link add tun2 type ipip local "$NEAR2" remote "$FAR2"
	ip link set tun1 up
	ip link set tun2 up
	exec ip route add default dev tun1
fi

exec wanmark "$verb" \
	--wan tun1,dev=tun1,via=dev,nat=none \
	--wan tun2,dev=tun2,via=dev,nat=none \
	"$@"
