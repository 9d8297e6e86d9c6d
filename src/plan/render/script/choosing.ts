import type { EngineConfig } from '../../../config/engine.js';
import { MOST_SLOTS } from '../../choice.js';

/** The shell function of a printed script that writes the rules of a choice, for each mode. */

const HEAD = `# choose CHAIN MASK LAST_RESORT "TIER MARK WEIGHT [GATEWAY]"...: prints rules that give an undecided packet one of the
# marks. The members stand in the order of their tiers. The choice is among those of the first tier in which one has a
# weight and a gateway.`;

const CANDIDATES = `		!tier || $1 == tier { if ($3 > 0 && $4 != "none") { tier = $1; mark[++count] = $2; weight[count] = $3; left += $3 } }`;

const FRAME = (ending: string) => `choose() {
	_chain=$1 _mask=$2 _last=$3
	shift 3
	printf '%s\\n' "$@" | awk -v chain="$_chain" -v mask="$_mask" -v last="$_last" '
		function rule(mark_of_it, words) {
			print "-A " chain " -m mark --mark 0x0/" mask " " words "-j MARK --set-xmark " mark_of_it "/" mask
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
