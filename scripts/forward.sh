#!/bin/sh
# forward.sh up|down|refresh|check|print - the filter table: lets through what the services need.
#
# Part of wanmark.sh, which see for the environment; also usable alone. Does something with
# WANMARK_FORWARD_ACCEPT=1 only. The jump stands first in FORWARD, because many a firewall ends
# with a rule that refuses the rest; so no rule of FORWARD can refuse these connections.
if ! command -v rule >/dev/null 2>&1; then
	case $0 in */*) HERE=${0%/*} ;; *) HERE=. ;; esac
	. "$HERE/lib.sh"
	. "$HERE/wans.sh"
	. "$HERE/firewall.sh"
	. "$HERE/chains.sh"
fi

forward_check() {
	fw_check
	for_services any warn_any
}

# Also for SSH to the router, where the address is the router's.
warn_any() {
	{ [ "$PROTO" = any ] && [ -z "$SOFT" ]; } || return 0
	case $(ip -N "-$FAMILY" route get "$ADDRESS" 2>/dev/null | one_line) in
	local*) say "warning: service $SERVICE takes all that comes to $ADDRESS, so this machine's own" \
		"programs are no longer reached there" ;;
	esac
}

forward_print() { [ "$WANMARK_FORWARD_ACCEPT" != 1 ] || fw_print filter service_forward; }
forward_unprint() { [ "$WANMARK_FORWARD_ACCEPT" != 1 ] || fw_unprint filter service_forward; }
fw_part forward filter service_forward

case ${0##*/} in forward.sh) main forward "$@" ;; esac
