#!/bin/sh
# nat.sh up|down|refresh|check|print - the nat table: the source address, and the kernel's choice.
#
# Part of wanmark.sh, which see for the environment; also usable alone.
#
#   PREROUTING  -> WANMARK -> WANMARK_NEW -> WANMARK_KERNEL   a new connection that nobody chose for
#   POSTROUTING -> WANMARK_NAT                                masquerade, SNAT or NETMAP per WAN
#
# The kernel's choice stands here and not in front of NFQUEUE in mangle: in OUTPUT a packet
# that was queued is routed again only if its mark changed while it was queued. Only the first
# packet of a connection comes to nat. With WANMARK_ENGINE=kernel mangle chooses.
if ! command -v rule >/dev/null 2>&1; then
	case $0 in */*) HERE=${0%/*} ;; *) HERE=. ;; esac
	. "$HERE/lib.sh"
	. "$HERE/wans.sh"
	. "$HERE/firewall.sh"
	. "$HERE/chains.sh"
fi

nat_render() {
	if [ "$WANMARK_ENGINE" = nfqueue ] && routed "$1"; then
		for _name in WANMARK WANMARK_NEW WANMARK_KERNEL; do chain $_name; done
		jump PREROUTING WANMARK
	fi
	chain WANMARK_NAT
	jump POSTROUTING WANMARK_NAT
	{ [ "$WANMARK_ENGINE" = kernel ] || ! routed "$1"; } || undecided_rules "$1"
	service_nat "$1"
	service_snat "$1"
	SEEN=' '
	for_wans "$1" nat_wan
	for_wans "$1" nat_unmarked
}

undecided_rules() {
	rule WANMARK "$DECIDED/$MASK" -j RETURN
	wan_devices "$1"
	for _dev in $DEVICES; do rule WANMARK -i "$_dev" -j RETURN; done
	to_new WANMARK
	new_rules "$1"
	rule WANMARK_NEW -g WANMARK_KERNEL
	kernel_rules "$1"
}

# On a shared device only the mark tells which WAN's address it has to be.
nat_wan() {
	_which=
	[ "$SHARED" = 0 ] || _which="-m mark --mark $MARK/$MASK "
	nat_rules
}

# What leaves unmarked by a shared device is treated as its first WAN does.
nat_unmarked() {
	[ "$SHARED" = 1 ] || return 0
	case $SEEN in *" $DEV "*) return 0 ;; esac
	SEEN="$SEEN$DEV "
	_which=
	nat_rules
}

# NETMAP keeps the host's part of the address (NPTv6 in its use, RFC 6296), which fits what
# is forwarded; the router's own connections have no address in that prefix.
nat_rules() {
	case $NAT in
	masquerade) rule WANMARK_NAT -o "$DEV" "${_which}-j MASQUERADE" ;;
	none) [ "$SHARED" = 0 ] || rule WANMARK_NAT -o "$DEV" "${_which}-j RETURN" ;;
	*/*)
		rule WANMARK_NAT -o "$DEV" "${_which}-m addrtype --src-type LOCAL -j MASQUERADE"
		rule WANMARK_NAT -o "$DEV" "${_which}-j NETMAP --to $NAT"
		;;
	*) rule WANMARK_NAT -o "$DEV" "${_which}-j SNAT --to-source $NAT" ;;
	esac
}

fw_part nat nat nat_render

case ${0##*/} in nat.sh) main nat "$@" ;; esac
