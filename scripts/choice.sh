# shellcheck shell=sh
# The kernel's own choice among marks, as sequential rules. Sourced, never run.
#
# Rules are tried one after the other, so each sees only what those before it left, and its
# share is of that: w / (what is left), not w / (all). The last one takes the rest and has no
# statistic match. The match on the mark comes first, because the counter behind `--mode nth`
# counts each packet that its rule's matches before it let through.
#
#   random   no state: neither a rewritten table nor the rhythm of a client changes the shares
#   nth      a rotation: any run of sum(weights)/gcd choices has exactly the weights. A rule
#            for each slot; --every is how many slots are left. --packet 0 means that the first
#            packet matches (libxt_statistic's statistic_check: count = every - packet)

# Each new connection is held against the mark match of every rule.
MAX_SLOTS=256

# choice_rules CHAIN MASK [EXTRA] [MODE]: reads "MARK WEIGHT" lines (weight 0 is skipped), writes
# the rules that give an undecided packet one of the marks. EXTRA words stand before the
# statistic match. MODE is random or nth; without one it is WANMARK_KERNEL_MODE.
choice_rules() {
	awk -v chain="$1" -v mask="$2" -v extra="${3:+$3 }" -v mode="${4:-$WANMARK_KERNEL_MODE}" "$CHOICE_SLOTS"'
	function choose(mark, share) {
		print "-A " chain " -m mark --mark 0x0/" mask " " extra share "-j MARK --set-xmark " mark "/" mask
	}
	function statistic(mode, words) { return "-m statistic --mode " mode " " words " " }
	# The kernel compares 31 random bits with probability * 2^31 (statistic_mt), and 11 digits are
	# what iptables reads and prints without loss. Rounded so far that nobody gets nothing or all.
	function probability(part,   steps) {
		steps = int(part * 2147483648 + .5)
		if (steps < 1) steps = 1
		if (steps > 2147483647) steps = 2147483647
		return sprintf("%.11f", steps / 2147483648)
	}
	END {
		if (mode == "nth") {
			slots = expand()
			for (i = 1; i <= slots; i++)
				choose(slot[i], i == slots ? "" : statistic("nth", "--every " (slots - i + 1) " --packet 0"))
		} else for (i = 1; i <= count; i++) {
			choose(mark[i], i == count ? "" : statistic("random", "--probability " probability(weight[i] / left)))
			left -= weight[i]
		}
	}'
}

# choice_fits WHAT [MODE]: of the same lines; ends with a word if a rotation would need too many rules.
choice_fits() {
	[ "${2:-$WANMARK_KERNEL_MODE}" = nth ] || return 0
	_slots=$(awk "$CHOICE_SLOTS"'END { printf "%.0f", left / divisor() }')
	[ "$_slots" -le $MAX_SLOTS ] ||
		misuse "$1: the weights make a rotation of $_slots, more than $MAX_SLOTS; use smaller weights," \
			"or kernel mode random"
}

# What both begin with: mark[1..count], weight[1..count], their sum in `left`; and the rotation.
# expand: slot[1..n] in the smooth order of the daemon's `weighted`: each turn every mark earns
# its weight, the richest is chosen and pays what all earned.
# shellcheck disable=SC2016 # awk's own variables
CHOICE_SLOTS='
	$2 > 0 { mark[++count] = $1; weight[count] = $2 + 0; left += $2 }
	function divisor(   i, a, b, rest) {
		for (i = 1; i <= count; i++)
			for (b = weight[i]; b; b = rest) { if (!a) a = b; rest = a % b; a = b }
		return a ? a : 1
	}
	function expand(   turns, turn, i, best) {
		turns = left / divisor()
		for (turn = 1; turn <= turns; turn++) {
			best = 1
			for (i = 1; i <= count; i++) {
				credit[i] += weight[i]
				if (credit[i] > credit[best]) best = i
			}
			credit[best] -= left
			slot[turn] = mark[best]
		}
		return turns
	}
'
