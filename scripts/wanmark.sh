#!/bin/sh
# wanmark.sh up|down|refresh|check|print - everything a router needs to use several WANs.
#
#   up       installs rules, NAT and routes as one transaction; again with other WANs it
#            changes only what differs, again with the same it changes nothing
#   refresh  like up, after routes, addresses or neighbours changed: a WAN that cannot be
#            used at the moment loses its route and its share with a word, where up would refuse it.
#            Without WANMARK_WANS it takes the whole environment of the last up, and without
#            WANMARK_DOWN or WANMARK_WEIGHTS the one that was given last
#            What somebody else took away is said in a line `missing: ...` and put back; with
#            WANMARK_REPAIR=0 it is only said, and as long as something is missing nothing is changed
#   check    only says that; exit 1 when something is missing
#   down     takes away all that is ours; safe to repeat, and after a crash of up
#   print    shows what a first up would run, as a shell script; needs no root
#
# Exit codes: 0 done, 1 the system failed (nothing is left changed), 2 wrong environment.
# All it runs is shown on stderr. The environment:
#
#   WANMARK_WANS        a WAN per line (or `;`), as words key=value:
#       name=fibre      up to 15 letters, digits, - _ .
#       dev=eth1        several WANs may have the same, with gateways of their own
#       via=192.0.2.1   IPv4 gateway; `dev` for a device without one (ppp). Without: no IPv4.
#                       `auto` follows the main table's best default route by the device; that, or
#                       the device, may come after `up`. Only for a device of its own
#       via6=fe80::1    the same for IPv6
#       mark=1          the number in the mask's field (default: its place in the list)
#       weight=5        share in the kernel's choice (1); 0 gets no new connections
#       tier=1          the kernel chooses in the lowest tier that has somebody with a weight up
#       nat=masquerade  or none, an address (SNAT), a prefix (NETMAP); nat6 for IPv6
#   WANMARK_MASK        0xff: the bits of the mark that are ours; neighbours
#   WANMARK_QUEUE       0: queue number
#   WANMARK_QUEUES      1: how many queues, from that number on; 16 at most
#   WANMARK_ENGINE      nfqueue: the daemon chooses; kernel: no daemon at all
#   WANMARK_KERNEL_MODE random: the kernel draws by weight; nth: it rotates, exactly by weight
#   WANMARK_PER         connection; packet (engine kernel only): each packet has its own choice,
#                       in a family that no WAN translates (see rules.sh)
#   WANMARK_DOWN        WANs that are down, fibre, or fibre:6 for one family: the kernel chooses among
#                       the others. They keep their connections and routes
#   WANMARK_WEIGHTS     fibre=0 lte=5: weights of the moment, in the place of those of WANMARK_WANS
#   WANMARK_LAST_RESORT main: when no WAN of a family is up, new connections go by the main table;
#                       unreachable refuses them by ICMP, blackhole without a word, but for what has
#                       a more specific route and for this machine's own. Both take the mask's highest mark
#   WANMARK_LAN         devices whose new connections are balanced (every one that is no WAN)
#   WANMARK_EXCLUDE     destinations to leave alone, beside the main table's specific routes
#   WANMARK_SERVICES    a service per line (or `;`), with WANs or alone; words key=value:
#       name=web        up to 15 letters, digits, - _ .
#       listen=192.0.2.1:80/tcp        /udp, 8000-8100, [2001:db8::1]:80, or 192.0.2.1/any
#       snat=auto       masquerade a client in the backend's network, and this machine's own
#                       connections; none; or an address: always that (SNAT)
#   WANMARK_BACKENDS    a server per line (or `;`):
#       service=web     the service's name
#       to=10.0.0.2:80  without a port: the port that was asked for
#       mark=1          the number in the backends' field (default: its place in the list)
#       weight=1        share in the kernel's choice; 0 keeps its connections, gets no new ones
#   WANMARK_BACKEND_MASK    0xff00: apart from WANMARK_MASK
#   WANMARK_SERVICE_QUEUE   queue number for services (WANMARK_QUEUE + WANMARK_QUEUES)
#   WANMARK_FORWARD_ACCEPT  0; 1 accepts in FORWARD what goes to and from the backends
#   WANMARK_TABLE       1000: WAN K has table 1000 + K
#   WANMARK_PRIORITY    20000: of the first of three ip rule priorities
#   WANMARK_LOG_KERNEL  0; 1 logs each new connection per mark in the kernel's log
#   WANMARK_REPAIR      1; 0: refresh puts nothing back that somebody else took away, and exits with 1 instead
#   WANMARK_TOUCHED     devices that went or lost an address just now: what is missing there was nobody's doing
#   WANMARK_RUN         /run/wanmark: lock and state
#   IPTABLES IP6TABLES  iptables ip6tables; e.g. iptables-legacy ip6tables-legacy
case $0 in */*) HERE=${0%/*} ;; *) HERE=. ;; esac
. "$HERE/lib.sh"
. "$HERE/wans.sh"
. "$HERE/firewall.sh"
. "$HERE/chains.sh"
. "$HERE/rules.sh"
. "$HERE/nat.sh"
. "$HERE/routes.sh"
. "$HERE/forward.sh"
main "$ALL_PARTS" "$@"
