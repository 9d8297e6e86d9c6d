import type { EngineConfig } from '../../../config/engine.js';
import { MOST_SLOTS } from '../../choice.js';

/** The shell functions of a printed script that write the rules of a choice for iptables, and the ip rule of a policy. */

const HEAD = `# choose CHAIN MASK UNDECIDED LAST_RESORT "TIER MARK WEIGHT [GATEWAY]"...: prints rules that give a packet whose mark is
# UNDECIDED one of the marks. The members stand in the order of their tiers. The choice is among those of the first tier
# in which one has a weight and a gateway.`;

/** The rule of awk that keeps the members of the first tier in which one can be used. */
export const CANDIDATES = `		!tier || $1 == tier { if ($3 > 0 && $4 != "none") { tier = $1; mark[++count] = $2; weight[count] = $3; left += $3 } }`;

const FRAME = (ending: string) => `choose() {
	_chain=$1 _mask=$2 _undecided=$3 _last=$4
	shift 4
	printf '%s\\n' "$@" | awk -v chain="$_chain" -v mask="$_mask" -v undecided="$_undecided" -v last="$_last" '
		function rule(mark_of_it, words) {
			print "-A " chain " -m mark --mark " undecided "/" mask " " words "-j MARK --set-xmark " mark_of_it "/" mask
		}
${CANDIDATES}
${ending}'
}`;

const LAST_RESORT = `			if (!count && last != "") rule(last, "-m addrtype ! --src-type LOCAL ")`;

const RANDOM = FRAME(`		END {
			# Rules are tried one after the other, so each sees only what those before it left, and its
			# share is of that: w / (what is left), not w / (all). The last one takes the rest. The kernel
			# compares 31 random bits (statistic_mt), and 11 digits are read and printed without loss.
			for (i = 1; i < count; i++) {
				steps = int(weight[i] / left * 2147483648 + .5)
				if (steps > 2147483647) steps = 2147483647
				if (steps < 1) steps = 1
				rule(mark[i], sprintf("-m statistic --mode random --probability %.11f ", steps / 2147483648))
				left -= weight[i]
			}
			if (count) rule(mark[count], "")
${LAST_RESORT}
		}`);

const NTH = FRAME(`		function greatest(a, b) { return b ? greatest(b, a % b) : a }
		END {
			# Each turn every mark earns its weight; the richest is chosen and pays what all earned.
			for (i = 1; i <= count; i++) divisor = greatest(divisor + 0, weight[i])
			turns = count ? left / divisor : 0
			if (turns > ${MOST_SLOTS}) {
				print "wanmark: the weights make a rotation of " turns ", more than ${MOST_SLOTS}" > "/dev/stderr"
				exit 1
			}
			# Rules are tried one after the other: --every is how many turns are left.
			for (turn = turns; turn > 0; turn--) {
				best = 1
				for (i = 1; i <= count; i++) {
					credit[i] += weight[i]
					if (credit[i] > credit[best]) best = i
				}
				credit[best] -= left
				rule(mark[best], turn > 1 ? "-m statistic --mode nth --every " turn " --packet 0 " : "")
			}
${LAST_RESORT}
		}`);

/** The function of the script that prints the rules of a choice. */
export function chooseFunction(mode: EngineConfig['kernelMode']): string {
  return `${HEAD}\n${mode === 'nth' ? NTH : RANDOM}`;
}

/** The function that prints the rules of a policy's choice. */
export const CHOOSE_BY = `# choose_by CHAIN MASK POLICY END MEMBERS: prints the rules of a policy's own choice for packets with its mark POLICY, or
# the mark END where none of its members can be used: that of a refusal, or none for the main table.
choose_by() {
	_rules=$(choose "$1" "$2" "$3" '' "$5") || return 1
	if [ -n "$_rules" ]; then
		printf '%s\\n-A %s -j CONNMARK --save-mark --nfmask %s --ctmask %s\\n' "$_rules" "$1" "$2" "$2"
	else
		echo "-A $1 -j MARK --set-xmark $4/$2"
	fi
}`;

/** The function that prints the ip rule of a policy. */
export const POLICY_RULE = `# policy_rule PRIORITY MARK END MEMBERS: prints the ip rule for a packet that still has the mark of a policy, as when
# somebody took the choice away: by the member with most weight, or the refusal END.
policy_rule() {
	printf '%s\\n' "$4" | awk -v priority="$1" -v mark="$2" -v ending="$3" '
		$3 > 0 && $4 != "none" && (!tier || $1 == tier) { tier = $1; if ($3 > most) { most = $3; table = $5 } }
		END {
			if (table) ending = "lookup " table
			if (ending) print "priority " priority " fwmark " mark " " ending
		}'
}`;
