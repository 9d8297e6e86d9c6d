#!/bin/sh
# routes.sh up|down|refresh|check|print - ip rules, the WANs' routing tables and src_valid_mark.
#
# Part of wanmark.sh, which see for the environment; also usable alone.
#
#   P      lookup main suppress_prefixlength 0   specific routes win over every WAN's table
#   P + 1  fwmark K/M lookup T+K                 the chosen WAN
#   P + 2  from <address of K> lookup T+K        sockets bound to a WAN's address
#   P + 1  fwmark M/M unreachable                where WANMARK_LAST_RESORT is to refuse
#   T + K  default via <gateway> dev <device>; unreachable while the WAN cannot be used
#
# Without a route in its table, what belongs to a WAN would leave by another one with an address that
# is not the other's, and a probe bound to its address would succeed by the other. Until `refresh`
# knows, the table is empty and the main table takes over, so that no new connection fails.
#
# fwmark stands before from: OUTPUT looks the route up again with the source address that the
# first look-up chose (ip_route_me_harder), so `from` would undo every choice. Rules of one
# priority exclude each other, so their order means nothing.
if ! command -v read_wans >/dev/null 2>&1; then
	case $0 in */*) HERE=${0%/*} ;; *) HERE=. ;; esac
	. "$HERE/lib.sh"
	. "$HERE/wans.sh"
fi

CONF=/proc/sys/net/ipv4/conf

# --- what should be there ---------------------------------------------------

rules_wanted() {
	routed "$1" || return 0
	printf '%s\n' "priority $WANMARK_PRIORITY lookup main suppress_prefixlength 0"
	for_wans "$1" mark_rule
	[ -z "$LAST_MARK" ] ||
		printf '%s\n' "priority $((WANMARK_PRIORITY + 1)) fwmark $LAST_MARK/$MASK $WANMARK_LAST_RESORT"
	ADDRESSES=$(ip -o "-$1" addr show scope global 2>/dev/null | awk '{ print $2, $4 }')
	for_wans "$1" addresses | sort -u | awk -v priority=$((WANMARK_PRIORITY + 2)) '
		{ line[NR] = "priority " priority " from " $1 " lookup " $2; address[NR] = $1; owners[$1]++ }
		END { for (i = 1; i <= NR; i++) if (owners[address[i]] == 1) print line[i] }'
}

mark_rule() {
	printf '%s\n' "priority $((WANMARK_PRIORITY + 1)) fwmark $MARK/$MASK lookup $((WANMARK_TABLE + NUMBER))"
}

# addresses: "ADDRESS TABLE" of the current WAN, out of ADDRESSES. On a shared device an address is the
# WAN's whose gateway lies in its network; one that holds several gateways is nobody's.
addresses() {
	while read -r _dev _address <&4; do
		[ "$_dev" = "$DEV" ] || continue
		if [ "$SHARED" = 1 ]; then
			{ [ "$VIA" != dev ] && covers "$_address" "$VIA"; } || continue
		fi
		printf '%s\n' "${_address%/*} $((WANMARK_TABLE + NUMBER))"
	done 4<<-WANMARK
		$ADDRESSES
	WANMARK
}

# covers NETWORK ADDRESS
covers() {
	printf '%s\n' "$1" "$2" | networks | awk '
		NR == 1 { network = $1 }
		NR == 2 { found = substr($1, 1, length(network)) == network }
		END { exit !found }'
}

routes_wanted() {
	routed "$1" || return 0
	for_wans "$1" wan_route "$1"
}

wan_route() {
	_way="via $VIA dev $DEV"
	if out "$1"; then
		printf '%s\n' "unreachable default table $((WANMARK_TABLE + NUMBER))"
		return
	elif [ "$VIA" = dev ]; then
		_way="dev $DEV"
	elif found "$1"; then
		# Main may reach it only so, too.
		_way="$_way onlink"
	fi
	printf '%s\n' "default $_way table $((WANMARK_TABLE + NUMBER))"
}

# --- what is there ----------------------------------------------------------

# rules_now FAMILY: ours, in the words of rules_wanted. With -N a rule that refuses ends in the number
# of its type (RTN_BLACKHOLE, RTN_UNREACHABLE).
rules_now() {
	ip -N "-$1" rule show 2>/dev/null | sed -n "
		/ proto $PROTOCOL\$/!d
		s/ proto $PROTOCOL\$//
		s/^\\([0-9]*\\):[[:space:]]*from all /priority \\1 /
		s/^\\([0-9]*\\):[[:space:]]*/priority \\1 /
		s/lookup 254/lookup main/
		/lookup/!s/ 6\$/ blackhole/
		/lookup/!s/ 7\$/ unreachable/
		s/fwmark \\(0x[0-9a-f]*\\) /fwmark \\1\\/0xffffffff /
		p"
}

routes_now() {
	ip -N "-$1" route show table all proto "$PROTOCOL" 2>/dev/null | awk '
		{
			# With -N a route that leads nowhere begins with the number of its type (RTN_UNREACHABLE).
			nowhere = $1 == "7" || $1 == "unreachable"
			line = nowhere ? "unreachable " $2 : $1
			table = onlink = ""
			for (i = 2; i <= NF; i++) {
				# IPv6 shows a device for a route that leads nowhere.
				if (!nowhere && ($i == "via" || $i == "dev")) line = line " " $i " " $(i + 1)
				if ($i == "onlink") onlink = " onlink"
				if ($i == "table") table = " table " $(i + 1)
			}
			print line onlink table
		}'
}

# --- the changes ------------------------------------------------------------

# without A B: the lines of file A that are not in file B.
without() { awk 'FILENAME == ARGV[1] { there[$0]; next } NF && !($0 in there)' "$2" "$1"; }

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
	routes_now "$1" >"$WORK/routes$1.there"
	each_line "$(without "$WORK/routes$1$2" "$WORK/routes$1.there")" change "$1" 'route replace'
	rules_now "$1" >"$WORK/rules$1.there"
	each_line "$(without "$WORK/rules$1$2" "$WORK/rules$1.there")" change "$1" 'rule add'
}

drop_spare() {
	rules_now "$1" >"$WORK/rules$1.there"
	each_line "$(without "$WORK/rules$1.there" "$WORK/rules$1$2")" gone "$1" 'rule del'
	routes_now "$1" >"$WORK/routes$1.there"
	each_line "$(without "$WORK/routes$1.there" "$WORK/routes$1$2")" gone "$1" 'route del'
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
	_spare=
	while read -r _dev _value <&4; do
		case " $1 " in *" $_dev "*) continue ;; esac
		_spare=1
		[ ! -e "$CONF/$_dev/src_valid_mark" ] || put "$_value" "$CONF/$_dev/src_valid_mark"
		CHANGED=1
	done 4<"$STATE/sysctl"
	[ -n "$_spare" ] || return 0
	awk -v kept=" $1 " 'index(kept, " " $1 " ")' "$STATE/sysctl" | keep "$STATE/sysctl"
}

# --- checks -----------------------------------------------------------------

# table_free FAMILY: nobody else has routes in the current WAN's table.
table_free() {
	_table=$((WANMARK_TABLE + NUMBER))
	_foreign=$(ip -N "-$1" route show table "$_table" 2>/dev/null)
	[ -n "$_foreign" ] || return 0
	_foreign=$(printf '%s\n' "$_foreign" | grep -v -E " proto $PROTOCOL( |\$)" | one_line)
	[ -z "$_foreign" ] ||
		misuse "table $_table holds another's route ($_foreign); set WANMARK_TABLE to a free range"
}

# --- the part ---------------------------------------------------------------

routes_check() {
	need ip iproute2
	for _family in $FAMILIES; do
		[ -n "$SOFT" ] || for_wans "$_family" table_free "$_family"
		if [ "$_family" = 4 ]; then
			_forward=net.ipv4.ip_forward _file=ipv4/ip_forward
		else
			_forward=net.ipv6.conf.all.forwarding _file=ipv6/conf/all/forwarding
		fi
		[ -n "$SOFT" ] || [ "$(cat "/proc/sys/net/$_file" 2>/dev/null)" != 0 ] ||
			say "warning: $_forward is 0, so nothing is forwarded; sysctl -w $_forward=1"
	done
}

routes_remember() {
	for _family in 4 6; do
		rules_now $_family >"$WORK/rules$_family.now"
		routes_now $_family >"$WORK/routes$_family.now"
		rules_wanted $_family >"$WORK/rules$_family.want"
		routes_wanted $_family >"$WORK/routes$_family.want"
	done
	for_wans any note_link >"$WORK/links"
	for _word in $OUT; do printf '%s\n' "$_word"; done >"$WORK/out"
	if [ -e "$STATE/sysctl" ]; then cp "$STATE/sysctl" "$WORK/sysctl"; else : >"$WORK/sysctl"; fi
}

# Only what is asked for still: the kernel itself takes away the routes of a device that goes down.
routes_report() {
	excused_devices
	wan_devices 4
	for _dev in $DEVICES; do
		case $EXCUSED in *" $_dev "*) continue ;; esac
		[ "$(cat "$CONF/$_dev/src_valid_mark" 2>/dev/null)" != 0 ] ||
			missing "sysctl src_valid_mark of $_dev"
	done
	for _family in 4 6; do
		for _what in rule route; do
			each_line "$(gone_of $_family ${_what}s)" missing "ip -$_family $_what"
		done
	done
}

# excused_devices: in EXCUSED, those that lose everything by themselves: they went and came back since, or go just now.
excused_devices() {
	EXCUSED=" $WANMARK_TOUCHED "
	[ -e "$STATE/links" ] || return 0
	EXCUSED="$EXCUSED$(awk 'NR == FNR { had[$1] = $2; next } $1 in had && had[$1] != $2 { print $1 }' \
		"$STATE/links" "$WORK/links" | tr '\n' ' ')"
}

note_link() {
	link_number
	printf '%s\n' "$DEV $INDEX"
}

# gone_of FAMILY rules|routes
gone_of() {
	[ -e "$STATE/$2$1.have" ] || return 0
	without "$STATE/$2$1.have" "$WORK/$2$1.now" >"$WORK/gone"
	[ -s "$WORK/gone" ] || return 0
	grep -Fx -f "$WORK/$2$1.want" "$WORK/gone" | while read -r _line; do
		_dev=${_line#* dev }
		case $EXCUSED in *" ${_dev%% *} "*) ;; *) printf '%s\n' "$_line" ;; esac
	done
}

routes_apply() {
	wan_devices 4
	for _dev in $DEVICES; do mark_valid "$_dev"; done
	for _family in 4 6; do settled $_family .want || add_missing $_family .want; done
}

routes_settle() {
	for _family in 4 6; do
		settled $_family .want || drop_spare $_family .want
		for _what in rules routes; do
			cmp -s "$WORK/$_what$_family.want" "$STATE/$_what$_family.have" ||
				keep "$STATE/$_what$_family.have" <"$WORK/$_what$_family.want"
		done
	done
	for _what in links out; do
		cmp -s "$WORK/$_what" "$STATE/$_what" || keep "$STATE/$_what" <"$WORK/$_what"
	done
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

# routes_unprint: the value of before is the one of now, if it is known here.
routes_unprint() {
	echo
	for _family in $FAMILIES; do
		echo "ip -$_family rule flush protocol $PROTOCOL"
		echo "ip -$_family route flush table all protocol $PROTOCOL"
	done
	wan_devices 4
	for _dev in $DEVICES; do
		_value=$(cat "$CONF/$_dev/src_valid_mark" 2>/dev/null)
		echo "echo ${_value:-0} > $CONF/$_dev/src_valid_mark"
	done
}

routes_print() {
	echo
	wan_devices 4
	for DEV in $DEVICES; do
		# With `auto` a device may come later.
		link_flags
		[ "$OUT" = ' ' ] || [ -n "$FLAGS" ] || continue
		printf '%s\n' "echo 1 > $CONF/$DEV/src_valid_mark"
	done
	for _family in $FAMILIES; do
		echo
		routes_wanted "$_family" | sed "s/.*/ip -$_family route replace & protocol $PROTOCOL/"
		rules_wanted "$_family" | sed "s/.*/ip -$_family rule add & protocol $PROTOCOL/"
	done
}

case ${0##*/} in routes.sh) main routes "$@" ;; esac
