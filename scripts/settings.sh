# shellcheck shell=sh disable=SC2034 # used by the other files
# The environment but for the WANs: settings with their defaults, checked, and kept for
# a refresh. Sourced, never run.

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
	: "${WANMARK_EXCLUDE:=}" "${WANMARK_TABLE:=1000}" "${WANMARK_PRIORITY:=20000}" "${WANMARK_LOG_KERNEL:=0}"
	read_mask
	setting WANMARK_QUEUE "$WANMARK_QUEUE" 0 65535
	# 253 to 255 are default, main and local; a rule behind main (32766) is never asked.
	setting WANMARK_TABLE "$WANMARK_TABLE" 256 999999999
	setting WANMARK_PRIORITY "$WANMARK_PRIORITY" 1 32763
	setting WANMARK_LOG_KERNEL "$WANMARK_LOG_KERNEL" 0 1
	case $WANMARK_ENGINE in
	nfqueue | kernel) ;;
	*) misuse "WANMARK_ENGINE is '$WANMARK_ENGINE'; it must be nfqueue or kernel" ;;
	esac
	WANMARK_LAN=$(printf '%s' "$WANMARK_LAN" | tr ',\n' '  ')
	for _dev in $WANMARK_LAN; do is_device "$_dev" || misuse "WANMARK_LAN: '$_dev' is no device name"; done
	WANMARK_EXCLUDE=$(printf '%s' "$WANMARK_EXCLUDE" | tr ',\n' '  ')
	for _net in $WANMARK_EXCLUDE; do
		claim "$_net" "WANMARK_EXCLUDE: '$_net' is no network; write it as 10.0.0.0/8 or fd00::/8"
	done
	read_wans
	check_claims
}

# WANMARK_MASK -> MASK (0xff00), SHIFT (8), MAX_MARK (255)
read_mask() {
	case $WANMARK_MASK in
	0[xX]*[!0-9a-fA-F]* | 0[xX] | 0[xX]?????????*) _mask= ;;
	0[xX]*) _mask=$((WANMARK_MASK)) ;;
	*[!0-9]* | '' | ???????????* | 0?*) _mask= ;;
	*) _mask=$WANMARK_MASK ;;
	esac
	{ [ -n "$_mask" ] && [ "$_mask" -le 4294967295 ]; } ||
		misuse "WANMARK_MASK is '$WANMARK_MASK'; it must be 32 bits like 0xff or 0xff00"
	[ "$_mask" -ne 0 ] || misuse 'WANMARK_MASK is 0, so there is no mark; use e.g. 0xff'
	SHIFT=0
	while [ $((_mask >> SHIFT & 1)) = 0 ]; do SHIFT=$((SHIFT + 1)); done
	MAX_MARK=$((_mask >> SHIFT))
	[ $((MAX_MARK & (MAX_MARK + 1))) = 0 ] ||
		misuse "WANMARK_MASK $WANMARK_MASK has holes; its bits must be neighbours, e.g. 0xff00"
	MASK=$(printf '0x%x' "$_mask")
}

# --- settings kept for refresh ----------------------------------------------

# note_settings: the environment of this `up`, a line for each variable.
note_settings() {
	keep "$STATE/settings" <<-WANMARK
		WANMARK_WANS=$(printf '%s' "$WANMARK_WANS" | tr '\n' ';')
		WANMARK_MASK=$WANMARK_MASK
		WANMARK_QUEUE=$WANMARK_QUEUE
		WANMARK_ENGINE=$WANMARK_ENGINE
		WANMARK_LAN=$WANMARK_LAN
		WANMARK_EXCLUDE=$WANMARK_EXCLUDE
		WANMARK_TABLE=$WANMARK_TABLE
		WANMARK_PRIORITY=$WANMARK_PRIORITY
		WANMARK_LOG_KERNEL=$WANMARK_LOG_KERNEL
		IPTABLES=$IPTABLES
		IP6TABLES=$IP6TABLES
	WANMARK
}

# recall_settings: them again, where the caller names no WANs. Read, never evaluated.
recall_settings() {
	_settings=${WANMARK_RUN:-/run/wanmark}/state/settings
	{ [ -z "${WANMARK_WANS-}" ] && [ -e "$_settings" ]; } || return 0
	while IFS= read -r _line; do
		_value=${_line#*=}
		case $_line in
		WANMARK_WANS=*) WANMARK_WANS=$_value ;;
		WANMARK_MASK=*) WANMARK_MASK=$_value ;;
		WANMARK_QUEUE=*) WANMARK_QUEUE=$_value ;;
		WANMARK_ENGINE=*) WANMARK_ENGINE=$_value ;;
		WANMARK_LAN=*) WANMARK_LAN=$_value ;;
		WANMARK_EXCLUDE=*) WANMARK_EXCLUDE=$_value ;;
		WANMARK_TABLE=*) WANMARK_TABLE=$_value ;;
		WANMARK_PRIORITY=*) WANMARK_PRIORITY=$_value ;;
		WANMARK_LOG_KERNEL=*) WANMARK_LOG_KERNEL=$_value ;;
		IPTABLES=*) IPTABLES=$_value ;;
		IP6TABLES=*) IP6TABLES=$_value ;;
		esac
	done <"$_settings"
}
