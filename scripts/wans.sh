# shellcheck shell=sh disable=SC2034 # used by the other files
# The records of WANMARK_WANS. All is checked here and by hand, because the scripts are
# used without the daemon, too. Sourced, never run.
. "$HERE/settings.sh"
. "$HERE/choice.sh"
. "$HERE/services.sh"
. "$HERE/uplinks.sh"

is_device() {
	case $1 in
	'' | -* | . | .. | *[!A-Za-z0-9._:-]* | ????????????????*) return 1 ;;
	esac
}

# claim NETWORK COMPLAINT: a network that has to be one; all of them are looked at together.
CLAIMS=
claim() {
	case $1 in *[!0-9A-Fa-f:./]*) misuse "$2" ;; esac
	CLAIMS="$CLAIMS$1 $2$NEWLINE"
}

check_claims() {
	_good=$NEWLINE$(printf '%s' "$CLAIMS" | networks | cut -d ' ' -f 2)$NEWLINE
	while read -r _net _complaint; do
		case $_good in *"$NEWLINE$_net$NEWLINE"*) ;; *) [ -z "$_net" ] || misuse "$_complaint" ;; esac
	done <<-WANMARK
		$CLAIMS
	WANMARK
}

# claim_family 4|6 NETWORK COMPLAINT
claim_family() {
	case $1$2 in
	4*:*) misuse "$3" ;;
	6*:*) ;;
	6*) misuse "$3" ;;
	esac
	claim "$2" "$3"
}

# networks: reads networks, one in a line, and writes those that are right as
# "BITS NETWORK": BITS is the prefix in binary behind 4 or 6, so that one network
# covers another exactly when its bits begin the other's.
networks() {
	awk '
	function bits(number, width,   text) {
		for (text = ""; width > 0; width--) { text = number % 2 text; number = int(number / 2) }
		return text
	}
	function hex(text,   i, digit, number) {
		if (text !~ /^[0-9a-f]+$/ || length(text) > 4) return -1
		for (i = 1; i <= length(text); i++) {
			digit = index("0123456789abcdef", substr(text, i, 1)) - 1
			number = number * 16 + digit
		}
		return number + 0
	}
	function four(text,   part, i, out) {
		if (text !~ /^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$/) return ""
		split(text, part, ".")
		for (i = 1; i <= 4; i++) {
			if (length(part[i]) > 3 || part[i] > 255) return ""
			out = out bits(part[i] + 0, 8)
		}
		return out
	}
	function words(text,   part, count, i, value, out) {
		if (text == "") return ""
		count = split(text, part, ":")
		for (i = 1; i <= count; i++) {
			value = hex(part[i])
			if (value < 0) return "x"
			out = out bits(value, 16)
		}
		return out
	}
	function six(text,   at, left, right, zeros) {
		text = tolower(text)
		at = index(text, "::")
		if (!at) { left = words(text); return left ~ /x/ || length(left) != 128 ? "" : left }
		left = words(substr(text, 1, at - 1))
		right = words(substr(text, at + 2))
		if (left right ~ /x/ || length(left right) > 112) return ""
		zeros = bits(0, 128 - length(left right))
		return left zeros right
	}
	{
		count = split($1, part, "/")
		size = index($1, ":") ? 128 : 32
		all = size == 128 ? six(part[1]) : four(part[1])
		if (all == "" || count > 2) next
		if (count == 2 && (part[2] !~ /^[0-9]+$/ || part[2] > size)) next
		print (size == 128 ? 6 : 4) substr(all, 1, count == 2 ? part[2] : size), $1
	}'
}

# --- WANs -------------------------------------------------------------------

# read_wans: WANMARK_WANS -> WANS, one line for each WAN:
#   NAME DEV VIA4 VIA6 NUMBER MARK WEIGHT TIER NAT4 NAT6 SHARED4 SHARED6
# `-` stands for nothing; SHAREDf is 1 when another WAN of the family has the same device.
read_wans() {
	WANS='' COUNT=0 TOTAL_WEIGHT=0 FAMILIES=''
	_names=' ' _numbers=' '
	# Services can do without WANs.
	: "${WANMARK_WANS:=}"
	[ -n "$WANMARK_WANS" ] || [ -z "$WANMARK_SERVICES" ] || return 0
	[ -n "$WANMARK_WANS" ] || misuse 'WANMARK_WANS is empty; set it to e.g. "name=fibre dev=eth1 via=192.0.2.1"'
	_records=$(printf '%s\n' "$WANMARK_WANS" | tr ';\t\r' '\n  ' | grep '[^ ]') || misuse 'WANMARK_WANS holds no WAN'
	_count=$(printf '%s\n' "$_records" | wc -l)
	[ "$_count" -le "$MAX_MARK" ] ||
		misuse "$((_count)) WANs do not fit into the mask $MASK, which holds $MAX_MARK; use a wider WANMARK_MASK"
	while read -r _record; do
		# shellcheck disable=SC2086 # a record is words
		read_wan $_record
	done <<-WANMARK
		$_records
	WANMARK
	[ "$TOTAL_WEIGHT" -gt 0 ] || misuse 'every WAN has weight 0; give one of them a weight'
	refuse_shared_auto
	WANS=$(printf '%s\n' "$WANS" | awk '
		{ line[NR] = $0; dev[NR] = $2; if ($3 != "-") four[$2]++; if ($4 != "-") six[$2]++ }
		END { for (i = 1; i <= NR; i++) print line[i], (four[dev[i]] > 1) + 0, (six[dev[i]] > 1) + 0 }')
	for_wans 4 : && FAMILIES=$_served
	for_wans 6 : && FAMILIES="$FAMILIES${FAMILIES:+${_served:+ }}$_served"
}

read_wan() {
	COUNT=$((COUNT + 1))
	NAME='' DEV='' VIA4=- VIA6=- NUMBER=$COUNT WEIGHT=1 TIER=1 NAT4=masquerade NAT6=masquerade
	for _pair in "$@"; do
		_value=${_pair#*=}
		case $_pair in
		name=*) NAME=$_value ;;
		dev=*) DEV=$_value ;;
		via=*) VIA4=$_value ;;
		via6=*) VIA6=$_value ;;
		mark=*) NUMBER=$_value ;;
		weight=*) WEIGHT=$_value ;;
		tier=*) TIER=$_value ;;
		nat=*) NAT4=$_value ;;
		nat6=*) NAT6=$_value ;;
		*) misuse "unknown key in '$_pair'; a WAN has name dev via via6 mark weight tier nat nat6" ;;
		esac
	done
	check_wan
	_names="$_names$NAME " _numbers="$_numbers$NUMBER "
	TOTAL_WEIGHT=$((TOTAL_WEIGHT + WEIGHT))
	MARK=$(printf '0x%x' $((NUMBER << SHIFT)))
	WANS="$WANS${WANS:+$NEWLINE}$NAME $DEV $VIA4 $VIA6 $NUMBER $MARK $WEIGHT $TIER $NAT4 $NAT6"
}

check_wan() {
	case $NAME in
	'' | *[!A-Za-z0-9._-]* | ????????????????*)
		misuse "WAN name '$NAME' must be 1 to 15 letters, digits, - _ or ."
		;;
	esac
	case $_names in *" $NAME "*) misuse "two WANs are called $NAME; give each a name of its own" ;; esac
	is_device "$DEV" || misuse "WAN $NAME: dev '$DEV' is no device name"
	{ is_number "$NUMBER" && [ "${NUMBER#0}" = "$NUMBER" ] && [ "$NUMBER" -le "$MAX_MARK" ]; } ||
		misuse "WAN $NAME: mark '$NUMBER' is outside the mask $MASK; it must be from 1 to $MAX_MARK"
	case $_numbers in *" $NUMBER "*) misuse "two WANs have mark $NUMBER; give each a mark of its own" ;; esac
	{ is_number "$WEIGHT" && [ "$WEIGHT" -le 65535 ]; } ||
		misuse "WAN $NAME: weight '$WEIGHT' must be a whole number from 0 to 65535"
	{ is_number "$TIER" && [ "$TIER" -ge 1 ]; } || misuse "WAN $NAME: tier '$TIER' must be a number from 1"
	[ "$VIA4$VIA6" != -- ] || misuse "WAN $NAME has neither via nor via6; give it a gateway, or 'dev' for none"
	for _family in 4 6; do
		if [ "$_family" = 4 ]; then _via=$VIA4 _nat=$NAT4; else _via=$VIA6 _nat=$NAT6; fi
		case $_via in
		- | dev | auto) ;;
		*/*) misuse "WAN $NAME: gateway '$_via' is no IPv$_family address" ;;
		*) claim_family "$_family" "$_via" "WAN $NAME: gateway '$_via' is no IPv$_family address" ;;
		esac
		case $_nat in
		masquerade | none) ;;
		*) claim_family "$_family" "$_nat" \
			"WAN $NAME: nat '$_nat' must be masquerade, none, an IPv$_family address or a prefix" ;;
		esac
	done
}

# for_wans FAMILY COMMAND...: runs COMMAND for each WAN that serves FAMILY (4, 6 or
# any), with NAME DEV VIA NUMBER MARK WEIGHT TIER NAT SHARED set. Not to be nested.
for_wans() {
	_wanted=$1 _served=
	shift
	while read -r NAME DEV VIA4 VIA6 NUMBER MARK WEIGHT TIER NAT4 NAT6 SHARED4 SHARED6 <&3; do
		[ -n "$NAME" ] || continue
		case $_wanted in
		4) VIA=$VIA4 NAT=$NAT4 SHARED=${SHARED4-} ;;
		6) VIA=$VIA6 NAT=$NAT6 SHARED=${SHARED6-} ;;
		*) VIA='' NAT='' SHARED='' ;;
		esac
		[ "$VIA" != - ] || continue
		_served=$_wanted
		"$@"
	done 3<<-WANMARK
		$WANS
	WANMARK
}

serves() {
	case " $FAMILIES " in *" $1 "*) ;; *) return 1 ;; esac
}

# routed FAMILY: there is a WAN for it; `serves`: a WAN or a service.
routed() {
	case " $WAN_FAMILIES " in *" $1 "*) ;; *) return 1 ;; esac
}

# refuse_shared_auto: the main table's gateway of a device can be that of one WAN only.
refuse_shared_auto() {
	_twin=$(printf '%s\n' "$WANS" | awk '
		{ dev[NR] = $2; auto[NR] = $3 == "auto" || $4 == "auto"; name[NR] = $1 }
		END {
			for (i = 1; i <= NR; i++)
				for (j = 1; j <= NR; j++)
					if (auto[i] && j != i && dev[i] == dev[j]) { print name[i] " and " name[j]; exit }
		}')
	[ -z "$_twin" ] || misuse "WANs $_twin have the same device, which via=auto needs for itself; give each its gateway"
}

# candidates FAMILY: "MARK WEIGHT" of the lowest tier that has a WAN which is up and has a weight.
candidates() {
	for_wans "$1" candidate "$1" | sort -k 1,1n -k 2,2n | awk '
		NR == 1 { tier = $1 }
		$1 == tier { print $3, $4 }'
}

candidate() { [ "$WEIGHT" = 0 ] || away "$1" || printf '%s\n' "$TIER $NUMBER $MARK $WEIGHT"; }

# rotations_fit: in each tier, because any may be the lowest some day. Fewer WANs need no more slots:
# their sum is less, and what all have in common no less.
rotations_fit() {
	[ "$WANMARK_KERNEL_MODE" = nth ] || return 0
	for _family in $FAMILIES; do
		_all=$(for_wans "$_family" candidate any)
		for _tier in $(printf '%s\n' "$_all" | cut -d ' ' -f 1 | sort -u); do
			printf '%s\n' "$_all" | awk -v tier="$_tier" '$1 == tier { print $3, $4 }' | choice_fits WANs || exit
		done
	done
}

# find_spread: in SPREAD, the families whose packets are spread. NAT gives a connection one
# address for good, and what left by another WAN with it would be lost: the kernel itself
# drops it behind MASQUERADE (nf_nat_oif_changed). So it takes no NAT, or one address for all.
find_spread() {
	SPREAD=
	[ "$WANMARK_PER" = packet ] || return 0
	for _family in $FAMILIES; do
		routed "$_family" || continue
		_one='' _translator=''
		for_wans "$_family" find_translator
		if [ -z "$_translator" ]; then
			SPREAD="$SPREAD $_family"
		else
			say "warning: WAN $_translator, and NAT keeps a connection on one WAN, so" \
				"IPv$_family connections are spread, not packets; use 'none' or one address on every WAN"
		fi
	done
}

find_translator() {
	: "${_one:=$NAT}"
	case $NAT in
	masquerade | */*) ;;
	*) [ "$NAT" != "$_one" ] || return 0 ;;
	esac
	_key=nat
	[ "$_family" = 4 ] || _key=nat6
	_translator="${_translator:-$NAME has $_key=$NAT}"
}

spreads() {
	case " $SPREAD " in *" $1 "*) ;; *) return 1 ;; esac
}

# wan_devices FAMILY: in DEVICES, each once.
wan_devices() {
	DEVICES=
	for_wans "$1" wan_device
}

wan_device() {
	case " $DEVICES " in *" $DEV "*) ;; *) DEVICES="$DEVICES${DEVICES:+ }$DEV" ;; esac
}
