# shellcheck shell=sh disable=SC2034 # used by the other files
# What mangle and nat have in common: the chain WANMARK_NEW (what is left alone) and the
# chain WANMARK_KERNEL (the kernel's own weighted choice). Sourced, never run.

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
		ip -N "-$1" route show table main 2>/dev/null | awk '
			/^[ \t]/ || $1 == "default" || $1 == "throw" { next }
			$1 ~ /^[a-z]+$/ { print $2; next }
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
	for _net in $_nets; do rule WANMARK_NEW -d "$_net" -j RETURN; done
	rule WANMARK_NEW -m addrtype --dst-type LOCAL -j RETURN
	rule WANMARK_NEW -m addrtype ! --dst-type UNICAST -j RETURN
}

# --- WANMARK_KERNEL ---------------------------------------------------------

# candidates FAMILY: "MARK WEIGHT" of the lowest tier that has a WAN with a weight.
candidates() {
	for_wans "$1" candidate | sort -n | awk '
		NR == 1 { tier = $1 }
		$1 == tier { print $3, $4 }'
}

candidate() { [ "$WEIGHT" = 0 ] || printf '%s\n' "$TIER $NUMBER $MARK $WEIGHT"; }

# kernel_rules FAMILY: each WAN takes its weight's share of what those before it left. The
# match on the mark comes first: a rule behind the one that chose is not tried, nor (were
# it `--mode nth`) counted.
kernel_rules() {
	_left=0
	_candidates=$(candidates "$1")
	while read -r _mark _weight; do
		_left=$((_left + ${_weight:-0}))
	done <<-WANMARK
		$_candidates
	WANMARK
	while read -r _mark _weight; do
		[ -n "$_mark" ] || continue
		_share=
		if [ "$_weight" != "$_left" ]; then
			_share="-m statistic --mode random --probability 0.$(printf '%09d' $((_weight * 1000000000 / _left))) "
		fi
		rule WANMARK_KERNEL "$UNDECIDED/$MASK ${_share}-j MARK --set-xmark $_mark/$MASK"
		_left=$((_left - _weight))
	done <<-WANMARK
		$_candidates
	WANMARK
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
