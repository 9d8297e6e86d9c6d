# shellcheck shell=sh disable=SC2034 # used by the other files
# The environment but for the WANs: settings with their defaults, checked, and kept for
# a refresh. Sourced, never run.

# Not from the environment: see read_down and read_weights.
RECALLED='' RECALLED_WEIGHTS=''

# read_run: the few settings that `down` needs.
read_run() {
	: "${WANMARK_RUN:=/run/wanmark}" "${IPTABLES:=iptables}" "${IP6TABLES:=ip6tables}"
	for _program in "$IPTABLES" "$IP6TABLES"; do
		case $_program in
		-* | *[!A-Za-z0-9/._-]*) misuse "IPTABLES and IP6TABLES are names of programs, not '$_program'" ;;
		esac
	done
}

read_settings() {
	read_run
	: "${WANMARK_MASK:=0xff}" "${WANMARK_QUEUE:=0}" "${WANMARK_ENGINE:=nfqueue}" "${WANMARK_LAN:=}"
	: "${WANMARK_KERNEL_MODE:=random}" "${WANMARK_PER:=connection}" "${WANMARK_QUEUES:=1}"
	: "${WANMARK_EXCLUDE:=}" "${WANMARK_TABLE:=1000}" "${WANMARK_PRIORITY:=20000}" "${WANMARK_LOG_KERNEL:=0}"
	: "${WANMARK_SERVICES:=}" "${WANMARK_BACKENDS:=}" "${WANMARK_BACKEND_MASK:=0xff00}"
	: "${WANMARK_FORWARD_ACCEPT:=0}" "${WANMARK_DOWN:=}" "${WANMARK_LAST_RESORT:=main}"
	: "${WANMARK_WEIGHTS:=}" "${WANMARK_REPAIR:=1}" "${WANMARK_TOUCHED:=}"
	read_mask
	read_last_resort
	setting WANMARK_QUEUE "$WANMARK_QUEUE" 0 65535
	setting WANMARK_QUEUES "$WANMARK_QUEUES" 1 16
	LAST_QUEUE=$((WANMARK_QUEUE + WANMARK_QUEUES - 1))
	[ "$LAST_QUEUE" -le 65535 ] ||
		misuse "WANMARK_QUEUES is $WANMARK_QUEUES from WANMARK_QUEUE $WANMARK_QUEUE on, beyond 65535; use lower numbers"
	# 253 to 255 are default, main and local; a rule behind main (32766) is never asked.
	setting WANMARK_TABLE "$WANMARK_TABLE" 256 999999999
	setting WANMARK_PRIORITY "$WANMARK_PRIORITY" 1 32763
	setting WANMARK_LOG_KERNEL "$WANMARK_LOG_KERNEL" 0 1
	setting WANMARK_FORWARD_ACCEPT "$WANMARK_FORWARD_ACCEPT" 0 1
	setting WANMARK_REPAIR "$WANMARK_REPAIR" 0 1
	case $WANMARK_ENGINE in
	nfqueue | kernel) ;;
	*) misuse "WANMARK_ENGINE is '$WANMARK_ENGINE'; it must be nfqueue or kernel" ;;
	esac
	case $WANMARK_KERNEL_MODE in
	random | nth) ;;
	*) misuse "WANMARK_KERNEL_MODE is '$WANMARK_KERNEL_MODE'; it must be random or nth" ;;
	esac
	case $WANMARK_PER:$WANMARK_ENGINE in
	connection:* | packet:kernel) ;;
	packet:*) misuse "WANMARK_PER=packet needs WANMARK_ENGINE=kernel; a daemon decides for connections" ;;
	*) misuse "WANMARK_PER is '$WANMARK_PER'; it must be connection or packet" ;;
	esac
	words "$WANMARK_LAN"
	WANMARK_LAN=$WORDS
	for _dev in $WANMARK_LAN; do is_device "$_dev" || misuse "WANMARK_LAN: '$_dev' is no device name"; done
	words "$WANMARK_TOUCHED"
	WANMARK_TOUCHED=$WORDS
	for _dev in $WANMARK_TOUCHED; do is_device "$_dev" || misuse "WANMARK_TOUCHED: '$_dev' is no device name"; done
	words "$WANMARK_EXCLUDE"
	WANMARK_EXCLUDE=$WORDS
	for _net in $WANMARK_EXCLUDE; do
		claim "$_net" "WANMARK_EXCLUDE: '$_net' is no network; write it as 10.0.0.0/8 or fd00::/8"
	done
	read_wans
	read_down
	read_weights
	read_services
	check_claims
	check_overlaps
	rotations_fit
	find_spread
}

# WANMARK_MASK -> MASK (0xff00), SHIFT (8), MAX_MARK (255)
read_mask() {
	parse_mask WANMARK_MASK "$WANMARK_MASK"
	MASK=$PARSED_MASK SHIFT=$PARSED_SHIFT MAX_MARK=$PARSED_MAX
}

# The highest number is of no WAN where it has to stand for "none is up": the whole field.
read_last_resort() {
	case $WANMARK_LAST_RESORT in
	main) LAST_MARK= ;;
	unreachable | blackhole) LAST_MARK=$MASK MAX_MARK=$((MAX_MARK - 1)) ;;
	*) misuse "WANMARK_LAST_RESORT is '$WANMARK_LAST_RESORT'; it must be main, unreachable or blackhole" ;;
	esac
}

# parse_mask NAME VALUE -> PARSED_MASK PARSED_SHIFT PARSED_MAX
parse_mask() {
	case $2 in
	0[xX]*[!0-9a-fA-F]* | 0[xX] | 0[xX]?????????*) _mask= ;;
	0[xX]*) _mask=$(($2)) ;;
	*[!0-9]* | '' | ???????????* | 0?*) _mask= ;;
	*) _mask=$2 ;;
	esac
	{ [ -n "$_mask" ] && [ "$_mask" -le 4294967295 ]; } ||
		misuse "$1 is '$2'; it must be 32 bits like 0xff or 0xff00"
	[ "$_mask" -ne 0 ] || misuse "$1 is 0, so there is no mark; use e.g. 0xff"
	PARSED_SHIFT=0
	while [ $((_mask >> PARSED_SHIFT & 1)) = 0 ]; do PARSED_SHIFT=$((PARSED_SHIFT + 1)); done
	PARSED_MAX=$((_mask >> PARSED_SHIFT))
	[ $((PARSED_MAX & (PARSED_MAX + 1))) = 0 ] ||
		misuse "$1 $2 has holes; its bits must be neighbours, e.g. 0xff00"
	PARSED_MASK=$(printf '0x%x' "$_mask")
}

# --- settings kept for refresh ----------------------------------------------

# note_settings: the environment of this `up`, a line for each variable.
note_settings() {
	records "$WANMARK_WANS"
	_wans=$RECORDS
	records "$WANMARK_SERVICES"
	_services=$RECORDS
	records "$WANMARK_BACKENDS"
	keep "$STATE/settings" <<-WANMARK
		WANMARK_WANS=$_wans
		WANMARK_MASK=$WANMARK_MASK
		WANMARK_QUEUE=$WANMARK_QUEUE
		WANMARK_QUEUES=$WANMARK_QUEUES
		WANMARK_ENGINE=$WANMARK_ENGINE
		WANMARK_KERNEL_MODE=$WANMARK_KERNEL_MODE
		WANMARK_PER=$WANMARK_PER
		WANMARK_LAN=$WANMARK_LAN
		WANMARK_EXCLUDE=$WANMARK_EXCLUDE
		WANMARK_TABLE=$WANMARK_TABLE
		WANMARK_PRIORITY=$WANMARK_PRIORITY
		WANMARK_LOG_KERNEL=$WANMARK_LOG_KERNEL
		WANMARK_SERVICES=$_services
		WANMARK_BACKENDS=$RECORDS
		WANMARK_BACKEND_MASK=$WANMARK_BACKEND_MASK
		WANMARK_SERVICE_QUEUE=${WANMARK_SERVICE_QUEUE-}
		WANMARK_FORWARD_ACCEPT=$WANMARK_FORWARD_ACCEPT
		WANMARK_LAST_RESORT=$WANMARK_LAST_RESORT
		WANMARK_DOWN=$WANMARK_DOWN
		WANMARK_WEIGHTS=$WANMARK_WEIGHTS
		IPTABLES=$IPTABLES
		IP6TABLES=$IP6TABLES
	WANMARK
}

# recall_settings: them again, where the caller names neither WANs nor services; who is down and the
# weights of the moment, where he does not say. Read, never evaluated.
recall_settings() {
	_settings=$STATE/settings
	[ -e "$_settings" ] || return 0
	if [ -z "${WANMARK_DOWN+set}" ]; then
		WANMARK_DOWN=$(sed -n 's/^WANMARK_DOWN=//p' "$_settings") RECALLED=1
	fi
	if [ -z "${WANMARK_WEIGHTS+set}" ]; then
		WANMARK_WEIGHTS=$(sed -n 's/^WANMARK_WEIGHTS=//p' "$_settings") RECALLED_WEIGHTS=1
	fi
	[ -z "${WANMARK_WANS-}${WANMARK_SERVICES-}" ] || return 0
	while IFS= read -r _line; do
		_value=${_line#*=}
		case $_line in
		WANMARK_WANS=*) WANMARK_WANS=$_value ;;
		WANMARK_MASK=*) WANMARK_MASK=$_value ;;
		WANMARK_QUEUE=*) WANMARK_QUEUE=$_value ;;
		WANMARK_QUEUES=*) WANMARK_QUEUES=$_value ;;
		WANMARK_ENGINE=*) WANMARK_ENGINE=$_value ;;
		WANMARK_KERNEL_MODE=*) WANMARK_KERNEL_MODE=$_value ;;
		WANMARK_PER=*) WANMARK_PER=$_value ;;
		WANMARK_LAN=*) WANMARK_LAN=$_value ;;
		WANMARK_EXCLUDE=*) WANMARK_EXCLUDE=$_value ;;
		WANMARK_TABLE=*) WANMARK_TABLE=$_value ;;
		WANMARK_PRIORITY=*) WANMARK_PRIORITY=$_value ;;
		WANMARK_LOG_KERNEL=*) WANMARK_LOG_KERNEL=$_value ;;
		WANMARK_SERVICES=*) WANMARK_SERVICES=$_value ;;
		WANMARK_BACKENDS=*) WANMARK_BACKENDS=$_value ;;
		WANMARK_BACKEND_MASK=*) WANMARK_BACKEND_MASK=$_value ;;
		WANMARK_SERVICE_QUEUE=*) WANMARK_SERVICE_QUEUE=$_value ;;
		WANMARK_FORWARD_ACCEPT=*) WANMARK_FORWARD_ACCEPT=$_value ;;
		WANMARK_LAST_RESORT=*) WANMARK_LAST_RESORT=$_value ;;
		IPTABLES=*) IPTABLES=$_value ;;
		IP6TABLES=*) IP6TABLES=$_value ;;
		esac
	done <"$_settings"
}
