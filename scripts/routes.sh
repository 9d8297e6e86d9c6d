#!/bin/sh
# routes.sh up|down|refresh|print - ip rules, the WANs' routing tables and src_valid_mark.
#
# Part of wanmark.sh, which see for the environment; also usable alone.
#
#   P      lookup main suppress_prefixlength 0   specific routes win over every WAN's table
#   P + 1  fwmark K/M lookup T+K                 the chosen WAN
#   P + 2  from <address of K> lookup T+K        sockets bound to a WAN's address
#   T + K  default via <gateway> dev <device>
#
# fwmark stands before from: OUTPUT looks the route up again with the source address that the
# first look-up chose (ip_route_me_harder), so `from` would undo every choice. Rules of one
# priority exclude each other, so their order means nothing.
HERE=$(dirname "$0")
if ! command -v read_wans >/dev/null 2>&1; then
	. "$HERE/lib.sh"
	. "$HERE/wans.sh"
fi

CONF=/proc/sys/net/ipv4/conf

# --- what should be there ---------------------------------------------------

rules_wanted() {
	serves "$1" || return 0
	printf '%s\n' "priority $WANMARK_PRIORITY lookup main suppress_prefixlength 0"
	for_wans "$1" mark_rule
	for_wans "$1" addresses "$1" | sort -u | awk -v priority=$((WANMARK_PRIORITY + 2)) '
		{ line[NR] = "priority " priority " from " $1 " lookup " $2; address[NR] = $1; owners[$1]++ }
		END { for (i = 1; i <= NR; i++) if (owners[address[i]] == 1) print line[i] }'
}

mark_rule() {
	printf '%s\n' "priority $((WANMARK_PRIORITY + 1)) fwmark $MARK/$MASK lookup $((WANMARK_TABLE + NUMBER))"
}

# addresses FAMILY: "ADDRESS TABLE" of the current WAN. On a shared device an address is the
# WAN's whose gateway lies in its network; one that holds several gateways is nobody's.
addresses() {
	ip -o "-$1" addr show dev "$DEV" scope global 2>/dev/null | awk '{ print $4 }' |
		while read -r _address; do
			if [ "$SHARED" = 1 ]; then
				{ [ "$VIA" != dev ] && covers "$_address" "$VIA"; } || continue
			fi
			printf '%s\n' "${_address%/*} $((WANMARK_TABLE + NUMBER))"
		done
}

# covers NETWORK ADDRESS
covers() {
	printf '%s\n' "$1" "$2" | networks | awk '
		NR == 1 { network = $1 }
		NR == 2 { found = substr($1, 1, length(network)) == network }
		END { exit !found }'
}

routes_wanted() {
	serves "$1" || return 0
	for_wans "$1" wan_route "$1"
}

wan_route() {
	if [ -n "${SOFT-}" ] && ! (usable "$1") 2>"$WORK/why"; then
		sed 's/$/; its route is left out/' "$WORK/why" >&2
		return 0
	fi
	_via="via $VIA "
	[ "$VIA" != dev ] || _via=
	printf '%s\n' "default ${_via}dev $DEV table $((WANMARK_TABLE + NUMBER))"
}

# --- what is there ----------------------------------------------------------

# rules_now FAMILY: ours, in the words of rules_wanted.
rules_now() {
	ip -N "-$1" rule show 2>/dev/null | sed -n "
		/ proto $PROTOCOL\$/!d
		s/ proto $PROTOCOL\$//
		s/^\\([0-9]*\\):[[:space:]]*from all /priority \\1 /
		s/^\\([0-9]*\\):[[:space:]]*/priority \\1 /
		s/lookup 254/lookup main/
		s/fwmark \\(0x[0-9a-f]*\\) /fwmark \\1\\/0xffffffff /
		p"
}

routes_now() {
	ip -N "-$1" route show table all proto "$PROTOCOL" 2>/dev/null | awk '
		{
			line = $1
			for (i = 2; i < NF; i++) if ($i == "via" || $i == "dev") line = line " " $i " " $(i + 1)
			for (i = 2; i < NF; i++) if ($i == "table") line = line " table " $(i + 1)
			print line
		}'
}

# --- the changes ------------------------------------------------------------

# missing A B: the lines of A that are not in B.
missing() { printf '%s\n' "$1" | awk -v other="$2" '
	BEGIN { count = split(other, line, "\n"); for (i = 1; i <= count; i++) there[line[i]] }
	NF && !($0 in there)'; }

# each_line TEXT COMMAND...: COMMAND LINE for each; a failure ends the script.
each_line() {
	_text=$1
	shift
	while read -r _one <&4; do
		[ -z "$_one" ] || "$@" "$_one"
	done 4<<-WANMARK
		$_text
	WANMARK
}

# shellcheck disable=SC2086 # the words of a rule or route
change() {
	CHANGED=1
	cmd ip "-$1" $2 $3 protocol $PROTOCOL
}

# gone FAMILY WHAT LINE: like change, but what went by itself (the device is gone) is well gone.
# shellcheck disable=SC2086
gone() {
	CHANGED=1
	printf '# %s\n' "ip -$1 $2 $3 protocol $PROTOCOL" >&2
	_said=$(ip "-$1" $2 $3 protocol $PROTOCOL 2>&1) || case $_said in
	*'No such'* | *'Cannot find device'*) ;;
	*) die "ip -$1 $2 $3 failed: $(printf '%s\n' "$_said" | one_line)" ;;
	esac
}

# settled FAMILY WHICH: what `remember` saw is already what is asked for.
settled() {
	cmp -s "$WORK/routes$1.now" "$WORK/routes$1$2" && cmp -s "$WORK/rules$1.now" "$WORK/rules$1$2"
}

add_missing() {
	each_line "$(missing "$(cat "$WORK/routes$1$2")" "$(routes_now "$1")")" change "$1" 'route replace'
	each_line "$(missing "$(cat "$WORK/rules$1$2")" "$(rules_now "$1")")" change "$1" 'rule add'
}

drop_spare() {
	each_line "$(missing "$(rules_now "$1")" "$(cat "$WORK/rules$1$2")")" gone "$1" 'rule del'
	each_line "$(missing "$(routes_now "$1")" "$(cat "$WORK/routes$1$2")")" gone "$1" 'route del'
}

# --- sysctl -----------------------------------------------------------------

# With src_valid_mark strict rp_filter looks up the way back with the packet's mark.
# The old value is noted first, so that `down` can restore it after a crash at any point.
mark_valid() {
	[ -e "$CONF/$1/src_valid_mark" ] || return 0
	# Not `read`: a shell reads byte by byte, and /proc/sys answers a second read with nothing.
	_value=$(cat "$CONF/$1/src_valid_mark")
	[ "$_value" != 1 ] || return 0
	grep -qs "^$1 " "$STATE/sysctl" || printf '%s\n' "$1 $_value" >>"$STATE/sysctl"
	CHANGED=1
	put 1 "$CONF/$1/src_valid_mark"
}

# mark_as_before KEPT: restores the devices that are not among the words of KEPT.
mark_as_before() {
	[ -s "$STATE/sysctl" ] || return 0
	while read -r _dev _value <&4; do
		case " $1 " in *" $_dev "*) continue ;; esac
		[ ! -e "$CONF/$_dev/src_valid_mark" ] || put "$_value" "$CONF/$_dev/src_valid_mark"
		CHANGED=1
	done 4<"$STATE/sysctl"
	awk -v kept=" $1 " 'index(kept, " " $1 " ")' "$STATE/sysctl" | keep "$STATE/sysctl"
}

# --- checks -----------------------------------------------------------------

# usable FAMILY: the current WAN's device is there and up and its gateway is on it. The kernel
# would take a gateway that lies behind another one's default route only with `onlink`.
usable() {
	ip link show dev "$DEV" >/dev/null 2>&1 ||
		misuse "WAN $NAME: there is no device $DEV; see 'ip link'"
	[ -n "$(ip link show dev "$DEV" up 2>/dev/null)" ] ||
		misuse "WAN $NAME: $DEV is down; ip link set $DEV up"
	[ "$VIA" != dev ] || return 0
	case $(ip "-$1" route get fibmatch "$VIA" oif "$DEV" 2>/dev/null | one_line) in
	'' | default* | local* | broadcast* | unreachable* | *' via '*) ;;
	*" dev $DEV "*) return 0 ;;
	esac
	misuse "WAN $NAME: gateway $VIA is not on the network of $DEV; see 'ip -$1 addr show dev $DEV'"
}

# table_free FAMILY: nobody else has routes in the current WAN's table.
table_free() {
	_table=$((WANMARK_TABLE + NUMBER))
	_foreign=$(ip -N "-$1" route show table "$_table" 2>/dev/null | grep -v " proto $PROTOCOL " | one_line)
	[ -z "$_foreign" ] ||
		misuse "table $_table holds another's route ($_foreign); set WANMARK_TABLE to a free range"
}

# --- the part ---------------------------------------------------------------

routes_check() {
	need ip iproute2
	for _family in $FAMILIES; do
		[ -n "$SOFT" ] || for_wans "$_family" usable "$_family"
		for_wans "$_family" table_free "$_family"
		if [ "$_family" = 4 ]; then _forward=ipv4.ip_forward; else _forward=ipv6.conf.all.forwarding; fi
		[ -n "$SOFT" ] || [ "$(cat "/proc/sys/net/$(printf '%s' $_forward | tr . /)" 2>/dev/null)" != 0 ] ||
			say "warning: net.$_forward is 0, so nothing is forwarded; sysctl -w net.$_forward=1"
	done
}

routes_remember() {
	for _family in 4 6; do
		rules_now $_family >"$WORK/rules$_family.now"
		routes_now $_family >"$WORK/routes$_family.now"
		rules_wanted $_family >"$WORK/rules$_family.want"
		routes_wanted $_family >"$WORK/routes$_family.want"
	done
	if [ -e "$STATE/sysctl" ]; then cp "$STATE/sysctl" "$WORK/sysctl"; else : >"$WORK/sysctl"; fi
}

routes_apply() {
	wan_devices 4
	for _dev in $DEVICES; do mark_valid "$_dev"; done
	for _family in 4 6; do settled $_family .want || add_missing $_family .want; done
}

routes_settle() {
	for _family in 4 6; do settled $_family .want || drop_spare $_family .want; done
	wan_devices 4
	mark_as_before "$DEVICES"
}

routes_restore() {
	for _family in 4 6; do
		add_missing $_family .now
		drop_spare $_family .now
	done
	while read -r _dev _value <&5; do mark_valid "$_dev"; done 5<"$WORK/sysctl"
	mark_as_before "$(awk '{ print $1 }' "$WORK/sysctl" | tr '\n' ' ')"
}

routes_remove() {
	for _family in 4 6; do
		: >"$WORK/rules$_family.none"
		: >"$WORK/routes$_family.none"
		drop_spare $_family .none
	done
	mark_as_before ''
}

routes_print() {
	wan_devices 4
	for _dev in $DEVICES; do printf '%s\n' "echo 1 > $CONF/$_dev/src_valid_mark"; done
	for _family in $FAMILIES; do
		routes_wanted "$_family" | sed "s/.*/ip -$_family route replace & protocol $PROTOCOL/"
		rules_wanted "$_family" | sed "s/.*/ip -$_family rule add & protocol $PROTOCOL/"
	done
}

case ${0##*/} in routes.sh) main routes "$@" ;; esac
