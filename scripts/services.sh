# shellcheck shell=sh disable=SC2034,SC2153 # used by the other files; MASK is of settings.sh
# The records of WANMARK_SERVICES and WANMARK_BACKENDS, checked by hand like the WANs'.
# Sourced, never run.

# read_services: -> SERVICES, one line for each service:
#   NAME FAMILY ADDRESS PROTO PORTS SNAT POOL
# PORTS is in iptables' form, - for all; POOL is its place in the list, from 1. And BACKENDS:
#   SERVICE ADDRESS TO NUMBER MARK WEIGHT
# Afterwards WAN_FAMILIES are those of the WANs, and FAMILIES those of the services, too.
read_services() {
	SERVICES='' BACKENDS='' POOL=0 COUNT=0
	WAN_FAMILIES=$FAMILIES
	[ -n "$WANMARK_SERVICES$WANMARK_BACKENDS" ] || return 0
	_services=$(printf '%s\n' "$WANMARK_SERVICES" | tr ';\t\r' '\n  ' | grep '[^ ]')
	_backends=$(printf '%s\n' "$WANMARK_BACKENDS" | tr ';\t\r' '\n  ' | grep '[^ ]')
	[ -n "$_services$_backends" ] || return 0
	read_backend_mask
	_names=' ' _numbers=' '
	while read -r _record; do
		# shellcheck disable=SC2086 # a record is words
		[ -z "$_record" ] || read_service $_record
	done <<-WANMARK
		$_services
	WANMARK
	_count=$(printf '%s\n' "$_backends" | wc -l)
	[ "$_count" -le "$MAX_BACKEND" ] || misuse "$((_count)) backends do not fit into the mask $BACKEND_MASK," \
		"which holds $MAX_BACKEND; use a wider WANMARK_BACKEND_MASK"
	while read -r _record; do
		# shellcheck disable=SC2086
		[ -z "$_record" ] || read_backend $_record
	done <<-WANMARK
		$_backends
	WANMARK
	for_services any check_pool
	for _family in 4 6; do
		! for_services $_family : || serves $_family || FAMILIES="$FAMILIES${FAMILIES:+ }$_family"
	done
	setting WANMARK_SERVICE_QUEUE "${WANMARK_SERVICE_QUEUE:=$((LAST_QUEUE + 1))}" 0 65535
	[ "$WANMARK_SERVICE_QUEUE" != "$WANMARK_QUEUE" ] ||
		misuse "WANMARK_SERVICE_QUEUE and WANMARK_QUEUE are both $WANMARK_QUEUE; give each its own number"
	[ "$WANMARK_SERVICE_QUEUE" -lt "$WANMARK_QUEUE" ] || [ "$WANMARK_SERVICE_QUEUE" -gt "$LAST_QUEUE" ] ||
		misuse "WANMARK_SERVICE_QUEUE $WANMARK_SERVICE_QUEUE is one of the queues of the WANs," \
			"$WANMARK_QUEUE to $LAST_QUEUE; give it a number of its own"
}

read_backend_mask() {
	parse_mask WANMARK_BACKEND_MASK "$WANMARK_BACKEND_MASK"
	BACKEND_MASK=$PARSED_MASK BACKEND_SHIFT=$PARSED_SHIFT MAX_BACKEND=$PARSED_MAX
	[ $((BACKEND_MASK & MASK)) = 0 ] ||
		misuse "WANMARK_BACKEND_MASK $BACKEND_MASK and WANMARK_MASK $MASK share bits; give each its own"
}

read_service() {
	POOL=$((POOL + 1))
	SERVICE='' _listen='' SNAT=auto
	for _pair in "$@"; do
		_value=${_pair#*=}
		case $_pair in
		name=*) SERVICE=$_value ;;
		listen=*) _listen=$_value ;;
		snat=*) SNAT=$_value ;;
		*) misuse "unknown key in '$_pair'; a service has name listen snat" ;;
		esac
	done
	case $SERVICE in
	'' | *[!A-Za-z0-9._-]* | ????????????????*)
		misuse "service name '$SERVICE' must be 1 to 15 letters, digits, - _ or ."
		;;
	esac
	case $_names in *" $SERVICE "*) misuse "two services are called $SERVICE; give each a name of its own" ;; esac
	_names="$_names$SERVICE "
	_what="service $SERVICE: listen '$_listen'"
	PROTO=${_listen##*/}
	case $_listen in
	*/tcp | */udp | */any) ;;
	*) misuse "$_what must end in /tcp, /udp or /any, like 192.0.2.1:80/tcp" ;;
	esac
	split_address "${_listen%/*}" "$_what"
	case $PROTO:$_port in
	any:-) ;;
	any:*) misuse "$_what: /any is every port; leave the port out" ;;
	*:-) misuse "$_what has no port; write ADDRESS:PORT/$PROTO or ADDRESS/any" ;;
	*)
		_low=${_port%-*} _high=${_port#*-}
		{ is_port "$_low" && is_port "$_high" && [ "$_low" -le "$_high" ]; } ||
			misuse "$_what: ports must be from 1 to 65535, like 80 or 8000-8100"
		if [ "$_low" = "$_high" ]; then _port=$_low; else _port=$_low:$_high; fi
		;;
	esac
	case $SNAT in
	auto | none) ;;
	*/*) misuse "service $SERVICE: snat '$SNAT' must be auto, none or an IPv$_family address" ;;
	*) claim_family "$_family" "$SNAT" \
		"service $SERVICE: snat '$SNAT' must be auto, none or an IPv$_family address" ;;
	esac
	SERVICES="$SERVICES${SERVICES:+$NEWLINE}$SERVICE $_family $_address $PROTO $_port $SNAT $POOL"
}

read_backend() {
	COUNT=$((COUNT + 1))
	_owner='' TO='' NUMBER=$COUNT WEIGHT=1
	for _pair in "$@"; do
		_value=${_pair#*=}
		case $_pair in
		service=*) _owner=$_value ;;
		to=*) TO=$_value ;;
		mark=*) NUMBER=$_value ;;
		weight=*) WEIGHT=$_value ;;
		*) misuse "unknown key in '$_pair'; a backend has service to mark weight" ;;
		esac
	done
	_what="backend '$TO' of service $_owner"
	case $_names in *" ${_owner:-?} "*) ;; *) misuse "backend '$TO': there is no service '$_owner'" ;; esac
	split_address "$TO" "$_what"
	_bfamily=$_family _baddress=$_address _bport=$_port
	for_services any fit_backend
	{ is_number "$NUMBER" && [ "${NUMBER#0}" = "$NUMBER" ] && [ "$NUMBER" -le "$MAX_BACKEND" ]; } ||
		misuse "$_what: mark '$NUMBER' is outside the mask $BACKEND_MASK; it must be from 1 to $MAX_BACKEND"
	case $_numbers in *" $NUMBER "*) misuse "two backends have mark $NUMBER; give each a mark of its own" ;; esac
	_numbers="$_numbers$NUMBER "
	{ is_number "$WEIGHT" && [ "$WEIGHT" -le 65535 ]; } ||
		misuse "$_what: weight '$WEIGHT' must be a whole number from 0 to 65535"
	MARK=$(printf '0x%x' $((NUMBER << BACKEND_SHIFT)))
	BACKENDS="$BACKENDS${BACKENDS:+$NEWLINE}$_owner $_baddress $TO $NUMBER $MARK $WEIGHT"
}

# fit_backend: whether the backend at hand fits the current service, if that is its own.
fit_backend() {
	[ "$SERVICE" = "$_owner" ] || return 0
	[ "$FAMILY" = "$_bfamily" ] ||
		misuse "$_what is IPv$_bfamily, but the service listens on IPv$FAMILY; NAT cannot change the family"
	case $_bport in
	-) ;;
	*) [ "$PROTO" != any ] || misuse "$_what: with /any the port stays; leave the port out"
		is_port "$_bport" || misuse "$_what: the port must be from 1 to 65535" ;;
	esac
}

check_pool() {
	_total=0 _pool=
	for_backends add_weight
	[ -n "$_pool" ] || misuse "service $SERVICE has no backend; add one to WANMARK_BACKENDS"
	[ "$_total" -gt 0 ] || misuse "every backend of service $SERVICE has weight 0; give one of them a weight"
	for_backends pool_member | choice_fits "service $SERVICE" || exit
}

add_weight() { _total=$((_total + WEIGHT)) _pool=1; }
pool_member() { printf '%s\n' "$MARK $WEIGHT"; }

is_port() { is_number "$1" && [ "$1" -ge 1 ] && [ "$1" -le 65535 ]; }

# split_address TEXT WHAT: ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT -> _family _address _port (- for none)
split_address() {
	_port=-
	case $1 in
	\[*\]:*) _family=6 _address=${1%%\]*} _port=${1##*\]:} ;;
	\[*\] | *:*:*) _family=6 _address=${1%\]} ;;
	*:*) _family=4 _address=${1%:*} _port=${1#*:} ;;
	*) _family=4 _address=$1 ;;
	esac
	_address=${_address#\[}
	_port=${_port:-0}
	case $_address in
	0.* | 127.* | 22[4-9].* | 2[3-5]?.* | :: | ::1 | [fF][eE][89aAbB]?:* | [fF][fF]??:*)
		misuse "$2: $_address is no address that others can reach; use a unicast address"
		;;
	'' | */*) misuse "$2: '$_address' is no address" ;;
	esac
	claim_family $_family "$_address" "$2: '$_address' is no address"
}

# check_overlaps: two services for one packet. Addresses are compared by their bits, because
# IPv6 has many ways to write one.
check_overlaps() {
	[ -n "$SERVICES" ] || return 0
	_bits=$(printf '%s\n' "$SERVICES" | cut -d ' ' -f 3 | networks | cut -d ' ' -f 1)
	_twins=$(printf '%s\n' "$SERVICES" | awk -v bits="$_bits" '
		BEGIN { split(bits, address, "\n") }
		{
			split($5, port, ":")
			name[NR] = $1; proto[NR] = $4; low[NR] = port[1] + 0; high[NR] = (port[2] ? port[2] : port[1]) + 0
			for (i = 1; i < NR; i++) {
				if (address[i] "" != address[NR] "") continue # as text: as numbers too long to differ
				if (proto[i] != "any" && proto[NR] != "any") {
					if (proto[i] != proto[NR] || low[i] > high[NR] || low[NR] > high[i]) continue
				}
				print name[i] " and " name[NR]
				exit
			}
		}')
	[ -z "$_twins" ] || misuse "services $_twins overlap; give each its own address or ports"
}

# for_services FAMILY COMMAND...: runs COMMAND for each service of FAMILY (4, 6 or any), with
# SERVICE FAMILY ADDRESS PROTO PORTS SNAT POOL set, LISTEN (the match for its packets) and
# PROTO_MATCH (of that the protocol). Fails if there is none. Not to be nested, but for_backends may stand inside.
for_services() {
	_asked=$1 _met=1
	shift
	while read -r SERVICE FAMILY ADDRESS PROTO PORTS SNAT POOL <&6; do
		[ -n "$SERVICE" ] || continue
		case $_asked in any | "$FAMILY") ;; *) continue ;; esac
		LISTEN="-d $ADDRESS" PROTO_MATCH=
		[ "$PROTO" = any ] || LISTEN="$LISTEN -p $PROTO --dport $PORTS" PROTO_MATCH="-p $PROTO "
		_met=0
		"$@"
	done 6<<-WANMARK
		$SERVICES
	WANMARK
	return $_met
}

# for_backends COMMAND...: for each backend of the current service, with BACKEND (its address)
# TO NUMBER MARK WEIGHT set, and SERVER, the ports that it answers at in iptables' form.
for_backends() {
	while read -r _owner BACKEND TO NUMBER MARK WEIGHT <&7; do
		[ "$_owner" = "$SERVICE" ] || continue
		SERVER=$PORTS
		case $TO in \[*\]:* | *.*:*) SERVER=${TO##*:} ;; esac
		"$@"
	done 7<<-WANMARK
		$BACKENDS
	WANMARK
}
