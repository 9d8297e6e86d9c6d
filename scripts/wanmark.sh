#!/bin/sh
# wanmark.sh up|down|refresh|print - everything a router needs to use several WANs.
#
#   up       installs rules, NAT and routes as one transaction; again with other WANs it
#            changes only what differs, again with the same it changes nothing
#   refresh  like up, after routes, addresses or neighbours changed: a WAN that cannot be
#            used at the moment loses its route with a word, where up would refuse it.
#            Without WANMARK_WANS it takes the whole environment of the last up
#   down     takes away all that is ours; safe to repeat, and after a crash of up
#   print    shows what a first up would run, as a shell script; needs no root
#
# Exit codes: 0 done, 1 the system failed (nothing is left changed), 2 wrong environment.
# All it runs is shown on stderr. The environment:
#
#   WANMARK_WANS        a WAN per line (or `;`), as words key=value:
#       name=fibre      up to 15 letters, digits, - _ .
#       dev=eth1        several WANs may have the same, with gateways of their own
#       via=192.0.2.1   IPv4 gateway; `dev` for a device without one (ppp). Without: no IPv4
#       via6=fe80::1    the same for IPv6
#       mark=1          the number in the mask's field (default: its place in the list)
#       weight=5        share in the kernel's choice (1); 0 gets no new connections
#       tier=1          the kernel chooses in the lowest tier only
#       nat=masquerade  or none, an address (SNAT), a prefix (NETMAP); nat6 for IPv6
#   WANMARK_MASK        0xff: the bits of the mark that are ours; neighbours
#   WANMARK_QUEUE       0: queue number
#   WANMARK_ENGINE      nfqueue: the daemon chooses; kernel: no daemon at all
#   WANMARK_LAN         devices whose new connections are balanced (every one that is no WAN)
#   WANMARK_EXCLUDE     destinations to leave alone, beside the main table's specific routes
#   WANMARK_TABLE       1000: WAN K has table 1000 + K
#   WANMARK_PRIORITY    20000: of the first of three ip rule priorities
#   WANMARK_LOG_KERNEL  0; 1 logs each new connection per mark in the kernel's log
#   WANMARK_RUN         /run/wanmark: lock and state
#   IPTABLES IP6TABLES  iptables ip6tables; e.g. iptables-legacy ip6tables-legacy
HERE=$(dirname "$0")
. "$HERE/lib.sh"
. "$HERE/wans.sh"
. "$HERE/firewall.sh"
. "$HERE/chains.sh"
. "$HERE/rules.sh"
. "$HERE/nat.sh"
. "$HERE/routes.sh"
main "$ALL_PARTS" "$@"
