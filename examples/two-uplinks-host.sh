#!/bin/sh
# A single host with two uplinks: an answer leaves by the uplink that its request came in by.
#
#        .--- eth1, gateway 192.0.2.1 ----.
#   host |                                internet
#        '--- eth2, gateway 198.51.100.1 -'
#
#   sh two-uplinks-host.sh up --engine kernel      all that is needed
#   sh two-uplinks-host.sh down
#
# Without this the host answers everything by its default route, and the provider of that line
# drops packets with the other line's address. The host's own new connections are balanced, too;
# a socket bound to the address of a line uses that line. (The warning that nothing is forwarded
# is right for a host.)
set -eu
verb=$1
shift
exec wanmark "$verb" \
	--wan "one,dev=${DEV1:-eth1},via=${VIA1:-192.0.2.1}" \
	--wan "two,dev=${DEV2:-eth2},via=${VIA2:-198.51.100.1}" \
	"$@"
