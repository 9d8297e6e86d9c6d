# shellcheck shell=sh disable=SC2034 # used by the other files
# What mangle and nat have in common: the chain WANMARK_NEW (what is left alone) and the
# chain WANMARK_KERNEL (the kernel's own weighted choice). Sourced, never run.
. "$HERE/service-chains.sh"

# rule CHAIN WORD...: one line in the way of iptables-save.
rule() {
	_chain=$1
	shift
	printf '%s\n' "-A $_chain $*"
}

chain() { printf ':%s - [0:0]\n' "$1"; }

# jump BASE CHAIN
jump() { printf '%s\n' "-A $1 -m comment --comment wanmark -j $2"; }

# undecided and decided: the matches. A mark is always read and written under the mask,
# because the other bits belong to other people (QoS, VPNs).
UNDECIDED='-m mark --mark 0x0'
DECIDED='-m mark ! --mark 0x0'

# --- WANMARK_NEW ------------------------------------------------------------

# specific_networks FAMILY: what the main table knows better than by its default route, and
# WANMARK_EXCLUDE, without networks that another one covers. A `throw` route means "ask the
# next table", so it is no destination. Link-local addresses never cross a router.
specific_networks() {
	{
		[ "$1" = 4 ] || echo fe80::/10
		for _net in $WANMARK_EXCLUDE; do printf '%s\n' "$_net"; done
		main_routes "$1" | awk '
			# Types of routes are numbers with -N; 9 is RTN_THROW.
			/^[ \t]/ || $1 == "default" || $1 == "throw" || $1 == "9" { next }
			$1 ~ /^([a-z]+|[0-9]+)$/ { print $2; next }
			{ print $1 }'
	} | networks | sort -u | awk -v family="$1" '
		substr($1, 1, 1) != family || $1 == family { next }
		{ for (size = 1; size < length($1); size++) if (substr($1, 1, size) in kept) next }
		!($1 in kept) { kept[$1]; print $2 }'
}

# new_rules FAMILY: WANMARK_NEW up to its last rule. addrtype asks the local table only, for
# IPv4 (inet_addr_type) as for IPv6 (match_lookup_rt6, RTF_LOCAL), whatever the mark rules
# say. Not unicast goes because the kernel drops clones of an undecided connection.
new_rules() {
	# Both tables ask.
	if [ "$1" = 4 ]; then
		_nets=${SPECIFIC4="$(specific_networks 4)"}
	else
		_nets=${SPECIFIC6="$(specific_networks 6)"}
	fi
	service_exceptions "$1"
	for _net in $_nets; do rule WANMARK_NEW -d "$_net" -j RETURN; done
	rule WANMARK_NEW -m addrtype --dst-type LOCAL -j RETURN
	rule WANMARK_NEW -m addrtype ! --dst-type UNICAST -j RETURN
}

# --- WANMARK_KERNEL ---------------------------------------------------------

# kernel_rules FAMILY: the WANs' shares of what nobody else decided. Where no WAN is up, the last
# resort: without a mark by the main table, or with the mark that an ip rule refuses. That is for
# others, not for this machine's own connections, which may be what brings a WAN up again.
kernel_rules() {
	_rules=$(candidates "$1" | choice_rules WANMARK_KERNEL "$MASK")
	if [ -n "$_rules" ]; then
		printf '%s\n' "$_rules"
	elif [ -n "$LAST_MARK" ]; then
		rule WANMARK_KERNEL "$UNDECIDED/$MASK" -m addrtype ! --src-type LOCAL \
			-j MARK --set-xmark "$LAST_MARK/$MASK"
	fi
}

# to_new CHAIN MATCH...: on to WANMARK_NEW, only from the LAN devices where they are given.
to_new() {
	_chain=$1
	shift
	if [ -z "$WANMARK_LAN" ]; then
		rule "$_chain" "$@" -g WANMARK_NEW
	else
		for _dev in $WANMARK_LAN; do rule "$_chain" -i "$_dev" "$@" -g WANMARK_NEW; done
	fi
}
