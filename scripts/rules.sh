#!/bin/sh
# rules.sh up|down|refresh|check|print - the mangle table: restore, choose and save the mark.
#
# Part of wanmark.sh, which see for the environment; also usable alone.
#
#   PREROUTING  -> WANMARK       restore; in by a WAN: that WAN; new: WANMARK_NEW
#   OUTPUT      -> WANMARK_OUT   restore; bound to another WAN: leave alone; new: WANMARK_NEW
#                  WANMARK_NEW   specific routes, local, not unicast: leave alone; NFQUEUE
#   POSTROUTING -> WANMARK_SAVE  the connection belongs to the WAN it leaves by
#   POSTROUTING, INPUT -> WANMARK_COUNT   packets and bytes per mark
#
# With WANMARK_PER=packet every packet is chosen for anew, answers to what came in by a WAN as
# well, and nothing is saved. A connection keeps to a WAN only if it came in by that WAN for an
# address of the router's own, or had a mark already when `up` was told to spread packets.
#
# PREROUTING and OUTPUT have chains of their own because `-m mac` is refused in a chain that
# OUTPUT reaches, and because there is no match for "came in by any LAN device".
if ! command -v rule >/dev/null 2>&1; then
	case $0 in */*) HERE=${0%/*} ;; *) HERE=. ;; esac
	. "$HERE/lib.sh"
	. "$HERE/wans.sh"
	. "$HERE/firewall.sh"
	. "$HERE/chains.sh"
fi

rules_render() {
	if routed "$1"; then wan_rules "$1"; fi
	# Behind the WANs' jumps: see service-chains.sh.
	service_mangle "$1"
}

wan_rules() {
	NEW='-m conntrack --ctstate NEW --ctdir ORIGINAL' SAVE=WANMARK_SAVE
	! spreads "$1" || NEW='' SAVE=''
	for _name in WANMARK WANMARK_OUT WANMARK_NEW $SAVE WANMARK_COUNT; do chain "$_name"; done
	[ "$WANMARK_ENGINE" = nfqueue ] || chain WANMARK_KERNEL
	jump PREROUTING WANMARK
	jump INPUT WANMARK_COUNT
	jump OUTPUT WANMARK_OUT
	[ -z "$SAVE" ] || jump POSTROUTING "$SAVE"
	jump POSTROUTING WANMARK_COUNT
	if spreads "$1"; then
		# First the device: the far end spreads packets, too, and strict rp_filter asks for the
		# way back with the packet's mark.
		rule WANMARK "$DECIDED/$MASK" -j RETURN
		inbound_rules "$1"
		restore_rules WANMARK
	else
		restore_rules WANMARK
		inbound_rules "$1"
	fi
	to_new WANMARK ${NEW:+"$NEW"}
	restore_rules WANMARK_OUT
	bound_rules "$1"
	rule WANMARK_OUT ${NEW:+"$NEW"} -g WANMARK_NEW
	new_rules "$1"
	if [ "$WANMARK_ENGINE" = nfqueue ]; then
		# By the addresses: what comes of one flow before its verdict meets one memory of decisions. With
		# --queue-cpu-fanout it might meet two, which decide apart.
		_queues="--queue-num $WANMARK_QUEUE"
		[ "$WANMARK_QUEUES" = 1 ] || _queues="--queue-balance $WANMARK_QUEUE:$LAST_QUEUE"
		rule WANMARK_NEW "$NEW" -j NFQUEUE "$_queues" --queue-bypass
	else
		rule WANMARK_NEW ${NEW:+"$NEW"} -g WANMARK_KERNEL
		kernel_rules "$1"
	fi
	[ -z "$SAVE" ] || for_wans "$1" save_rules
	for_wans "$1" count_rules
}

# In any state: a UDP flow without replies stays NEW for ever. The second rule is also
# what ends the second pass after the verdict NF_REPEAT.
restore_rules() {
	rule "$1" "$UNDECIDED/$MASK" -j CONNMARK --restore-mark --nfmask "$MASK" --ctmask "$MASK"
	rule "$1" "$DECIDED/$MASK" -j RETURN
}

# What came in by a WAN is answered by it: the connection gets its mark. The packet gets it,
# too: with src_valid_mark, strict rp_filter asks for the way back with the packet's mark.
inbound_rules() {
	MACS=' '
	for_wans "$1" inbound_wan "$1"
	wan_devices "$1"
	for _dev in $DEVICES; do rule WANMARK -i "$_dev" -j RETURN; done
}

# On a shared device the gateway's MAC tells the WANs apart.
inbound_wan() {
	_from=
	if [ "$SHARED" = 1 ]; then
		_mac=$(gateway_mac "$1") || return 0
		case $MACS in *" $DEV/$_mac "*)
			say "WAN $NAME: its gateway has the MAC address of another WAN's on $DEV;" \
				"inbound connections count as the other's"
			return 0
			;;
		esac
		MACS="$MACS$DEV/$_mac "
		_from="-m mac --mac-source $_mac "
	fi
	_state='-m conntrack --ctstate NEW' _to=
	! spreads "$1" || _state='' _to='-m conntrack --ctstate NEW -m addrtype --dst-type LOCAL'
	rule WANMARK -i "$DEV" "$_from${_state:+$_state }-j MARK --set-xmark $MARK/$MASK"
	rule WANMARK -i "$DEV" "$_from${_to:-$_state} -j CONNMARK --set-xmark $MARK/$MASK"
}

# A packet of ours that leaves by a WAN which is not the main table's default was bound to
# that WAN or routed there on purpose. One bound to the default's own WAN looks like any other.
bound_rules() {
	_defaults=$(default_devices "$1")
	wan_devices "$1"
	for _dev in $DEVICES; do
		case " $_defaults " in
		*" $_dev "*) ;;
		*) rule WANMARK_OUT -o "$_dev" -j RETURN ;;
		esac
	done
}

# default_devices FAMILY: of main's default route with the lowest metric; several if multipath.
default_devices() {
	main_routes "$1" | awk '
		/^[^ \t]/ { inside = $1 == "default"; metric = 0 }
		!inside { next }
		/^default/ { for (i = 1; i < NF; i++) if ($i == "metric") metric = $(i + 1) + 0 }
		/^default/ && (!found || metric < least) { found = 1; least = metric; devices = "" }
		metric == least { for (i = 1; i < NF; i++) if ($i == "dev") devices = devices " " $(i + 1) }
		END { print devices }'
}

save_rules() {
	rule WANMARK_SAVE -o "$DEV" -m mark --mark "$MARK/$MASK" -m connmark ! --mark "$MARK/$MASK" \
		-j CONNMARK --set-xmark "$MARK/$MASK"
	[ "$SHARED" = 1 ] ||
		rule WANMARK_SAVE -o "$DEV" -m connmark --mark "0x0/$MASK" -j CONNMARK --set-xmark "$MARK/$MASK"
}

# A prefix of the kernel's log has 29 bytes, so a long name is cut.
count_rules() {
	rule WANMARK_COUNT -m mark --mark "$MARK/$MASK" -m comment --comment "\"wanmark $NAME\""
	[ "$WANMARK_LOG_KERNEL" = 1 ] || return 0
	_mark="mark=$NUMBER"
	_room=$((29 - 10 - ${#_mark}))
	_short=$(printf '%s' "$NAME" | cut -c "1-$_room")
	rule WANMARK_COUNT -m mark --mark "$MARK/$MASK" -m conntrack --ctstate NEW \
		-j LOG --log-prefix "\"wanmark $_short $_mark \""
}

# --- gateways' MAC addresses ------------------------------------------------

# gateway_mac FAMILY: of the current WAN's gateway; 1 if it is not known, or not its own.
gateway_mac() {
	[ "$VIA" != dev ] || return 1
	_mac=$(neighbour "$1" "$VIA" "$DEV")
	[ -n "$_mac" ] || _mac=$(sed -n "s/^$DEV $VIA //p" "${STATE:-/nonexistent}/macs" 2>/dev/null)
	[ -n "$_mac" ] || {
		say "WAN $NAME: the MAC address of its gateway $VIA is not known, so inbound connections" \
			"cannot be told apart; 'refresh' tries again"
		return 1
	}
	printf '%s\n' "$_mac"
}

neighbour() {
	ip -N "-$1" neigh show "$2" dev "$3" 2>/dev/null |
		awk '{ for (i = 1; i < NF; i++) if ($i == "lladdr") { print $(i + 1); exit } }'
}

# learn_macs: asks for those that are not known, waits a second at most for all, and notes
# what is known, so that a gateway that is away for a moment does not lose its rule.
learn_macs() {
	for _family in $FAMILIES; do for_wans "$_family" ask_gateway "$_family"; done
	_tries=0
	until [ -z "$(unknown_gateways)" ] || [ $_tries -ge 10 ]; do
		sleep 0.1
		_tries=$((_tries + 1))
	done
	for _family in $FAMILIES; do for_wans "$_family" note_gateway "$_family"; done >"$WORK/macs"
	if ! cmp -s "$WORK/macs" "$STATE/macs"; then keep "$STATE/macs" <"$WORK/macs"; fi
}

shared_gateway() { [ "$SHARED" = 1 ] && [ "$VIA" != dev ]; }

ask_gateway() {
	if shared_gateway && [ -z "$(neighbour "$1" "$VIA" "$DEV")" ]; then
		# NTF_USE: resolve it as if a packet were waiting.
		ip "-$1" neigh replace "$VIA" dev "$DEV" use 2>/dev/null
	fi
	:
}

unknown_gateways() {
	for _family in $FAMILIES; do for_wans "$_family" unknown_gateway "$_family"; done
}

unknown_gateway() {
	if shared_gateway && [ -z "$(neighbour "$1" "$VIA" "$DEV")" ]; then printf '%s\n' "$VIA"; fi
}

note_gateway() {
	shared_gateway || return 0
	_mac=$(neighbour "$1" "$VIA" "$DEV")
	[ -n "$_mac" ] || _mac=$(sed -n "s/^$DEV $VIA //p" "$STATE/macs" 2>/dev/null)
	[ -z "$_mac" ] || printf '%s\n' "$DEV $VIA $_mac"
}

# --- the part ---------------------------------------------------------------

rules_remember() {
	learn_macs
	fw_remember mangle rules_render
}
fw_part rules mangle rules_render

case ${0##*/} in rules.sh) main rules "$@" ;; esac
