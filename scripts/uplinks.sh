# shellcheck shell=sh disable=SC2034,SC2154 # used by the other files; _names is of wans.sh
# What of the WANs can be used at the moment: their devices, the gateways that `auto` stands
# for, the ones that are said to be down, and the weights of the moment. Sourced, never run.

# read_down: WANMARK_DOWN -> DOWN, words NAME/FAMILY between blanks. RECALLED names may be those
# of WANs that are no more.
read_down() {
	words "$WANMARK_DOWN"
	WANMARK_DOWN=$WORDS
	DOWN=' ' OUT=' ' FOUND=' '
	for _word in $WANMARK_DOWN; do
		case $_names in
		*" ${_word%%:*} "*) ;;
		*)
			[ -z "$RECALLED" ] || continue
			misuse "WANMARK_DOWN: there is no WAN '${_word%%:*}'; see WANMARK_WANS"
			;;
		esac
		case $_word in
		*:4 | *:6) DOWN="$DOWN${_word%:*}/${_word##*:} " ;;
		*:*) misuse "WANMARK_DOWN: '$_word' must be a WAN's name, or that with :4 or :6" ;;
		*) DOWN="$DOWN$_word/4 $_word/6 " ;;
		esac
	done
}

# read_weights: WANMARK_WEIGHTS, words NAME=WEIGHT, in the place of the weights in WANS. What is recalled
# may be of WANs that are no more; where it leaves nobody a weight, it is of others altogether.
read_weights() {
	words "$WANMARK_WEIGHTS"
	WANMARK_WEIGHTS=$WORDS
	_weights=' '
	for _word in $WANMARK_WEIGHTS; do
		_name=${_word%%=*} _weight=${_word#*=}
		case $_names in
		*" $_name "*) ;;
		*)
			[ -z "$RECALLED_WEIGHTS" ] || continue
			misuse "WANMARK_WEIGHTS: there is no WAN '$_name'; see WANMARK_WANS"
			;;
		esac
		{ [ "$_name=$_weight" = "$_word" ] && is_number "$_weight" && [ "$_weight" -le 65535 ]; } ||
			misuse "WANMARK_WEIGHTS: '$_word' must be a WAN's name and a number from 0 to 65535, like fibre=5"
		_weights="$_weights$_word "
	done
	[ "$_weights" != ' ' ] || return 0
	if _weighed=$(printf '%s\n' "$WANS" | awk -v words="$_weights" '
		BEGIN {
			count = split(words, word, " ")
			for (i = 1; i <= count; i++) { split(word[i], part, "="); weight[part[1]] = part[2] }
		}
		$1 in weight { $7 = weight[$1] }
		{ total += $7; print }
		END { exit !total }'); then
		WANS=$_weighed
	else
		[ -n "$RECALLED_WEIGHTS" ] || misuse 'WANMARK_WEIGHTS leaves every WAN with weight 0; give one of them a weight'
	fi
}

# away FAMILY: the current WAN gets no new connections; out FAMILY: it has no route either.
away() { case $DOWN$OUT in *" $NAME/$1 "*) ;; *) return 1 ;; esac }
out() { case $OUT in *" $NAME/$1 "*) ;; *) return 1 ;; esac }

# found FAMILY: its gateway is one that main uses, whatever its networks.
found() { case $FOUND in *" $NAME/$1 "*) ;; *) return 1 ;; esac }

# find_uplinks [print]: puts gateways in the place of `auto` in WANS, and notes in OUT the WANs that
# cannot be used at the moment: DHCP, a modem or a cable may come later, and the others work meanwhile.
# `up` refuses only a gateway that is on none of the networks that its device has. `print` knows nothing
# of the machine that its script is for.
find_uplinks() {
	[ -n "$WANS" ] || return 0
	LINKS=$(ip -o link show 2>/dev/null)
	for _family in $WAN_FAMILIES; do read_main "$_family"; done
	_uplinks=''
	for_wans any find_uplink "${1-}"
	WANS=$_uplinks
}

# read_main FAMILY: the main table, in MAIN4 or MAIN6.
read_main() {
	_routes=$(ip -N "-$1" route show table main 2>/dev/null)
	if [ "$1" = 4 ]; then MAIN4=$_routes; else MAIN6=$_routes; fi
}

# main_routes FAMILY
main_routes() { if [ "$1" = 4 ]; then printf '%s\n' "${MAIN4-}"; else printf '%s\n' "${MAIN6-}"; fi; }

find_uplink() {
	for _family in 4 6; do
		if [ "$_family" = 4 ]; then VIA=$VIA4; else VIA=$VIA6; fi
		case $VIA:$1 in
		-:* | *:print) [ "$VIA" = auto ] || continue ;;
		esac
		if [ "$VIA" = auto ]; then
			find_gateway "$_family"
			if [ "$_family" = 4 ]; then VIA4=$VIA; else VIA6=$VIA; fi
		fi
		! usable "$_family" || continue
		[ -n "$SOFT" ] || [ -z "$MISTAKE" ] || misuse "$WHY"
		say "$WHY; its IPv$_family route is left out"
		OUT="$OUT$NAME/$_family "
	done
	_uplinks="$_uplinks${_uplinks:+$NEWLINE}$NAME $DEV $VIA4 $VIA6 $NUMBER $MARK $WEIGHT $TIER"
	_uplinks="$_uplinks $NAT4 $NAT6 $SHARED4 $SHARED6"
}

# find_gateway FAMILY: in VIA, the gateway of main's best default route by the current WAN's device;
# `dev` where that has none, and for a point-to-point device with an address; else `auto` again.
find_gateway() {
	_gateway=$(main_routes "$1" | awk -v wanted="$DEV" '
		function consider(   i, via, dev) {
			via = "dev"
			for (i = 1; i <= NF; i++) {
				if ($i == "via") via = $(i + 1)
				if ($i == "dev") dev = $(i + 1)
				if ($i == "dead") return
			}
			# inet6: an IPv4 route by an IPv6 gateway, which a WAN cannot have.
			if (dev != wanted || via == "inet6" || (best != "" && metric >= least)) return
			best = via
			least = metric
		}
		/^[^ \t]/ { inside = $1 == "default"; metric = 0 }
		!inside { next }
		/^default/ { for (i = 1; i < NF; i++) if ($i == "metric") metric = $(i + 1) + 0 }
		{ consider() }
		END { print best }')
	if [ -z "$_gateway" ] && [ -n "$(ip -o "-$1" addr show dev "$DEV" scope global 2>/dev/null)" ]; then
		link_flags
		case ,$FLAGS, in *,POINTOPOINT,*) _gateway=dev ;; esac
	fi
	[ -z "$_gateway" ] || FOUND="$FOUND$NAME/$1 "
	VIA=${_gateway:-auto}
}

# link_flags: in FLAGS, those of the current WAN's device; nothing if there is none.
link_flags() {
	FLAGS=
	case $LINKS in
	*": $DEV: <"*) FLAGS=${LINKS#*": $DEV: <"} ;;
	*": $DEV@"*) FLAGS=${LINKS#*": $DEV@"} FLAGS=${FLAGS#*<} ;;
	esac
	FLAGS=${FLAGS%%>*}
}

# link_number: in INDEX, that of the current WAN's device, by which one that went and came back is known.
link_number() {
	INDEX=
	case $NEWLINE$LINKS in
	*": $DEV: <"*) INDEX=${LINKS%%": $DEV: <"*} ;;
	*": $DEV@"*) INDEX=${LINKS%%": $DEV@"*} ;;
	esac
	INDEX=${INDEX##*"$NEWLINE"}
}

# usable FAMILY: the current WAN's device is there and up and its gateway is on it; otherwise WHY, and in
# MISTAKE whether time will not mend it. The kernel would take a gateway that lies behind another one's default route only with `onlink`.
usable() {
	MISTAKE=
	link_flags
	case ,$FLAGS, in
	,,)
		WHY="WAN $NAME: there is no device $DEV; see 'ip link'"
		return 1
		;;
	*,UP,*) ;;
	*)
		WHY="WAN $NAME: $DEV is down; ip link set $DEV up"
		return 1
		;;
	esac
	if [ "$VIA" = auto ]; then
		WHY="WAN $NAME: the main table has no IPv$1 default route by $DEV for its gateway to follow"
		return 1
	fi
	if [ "$VIA" = dev ] || found "$1"; then return 0; fi
	_way=$(ip "-$1" route get fibmatch "$VIA" oif "$DEV" 2>/dev/null)
	case ${_way%%"$NEWLINE"*} in
	'' | default* | local* | broadcast* | unreachable* | *' via '*) ;;
	*" dev $DEV "*) return 0 ;;
	esac
	[ -z "$(ip -o "-$1" addr show dev "$DEV" scope global 2>/dev/null)" ] || MISTAKE=1
	WHY="WAN $NAME: gateway $VIA is not on the network of $DEV; see 'ip -$1 addr show dev $DEV'"
	return 1
}
