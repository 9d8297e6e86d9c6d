import type { EngineConfig } from '../../../config/engine.js';
import { MOST_SLOTS } from '../../choice.js';
import { CANDIDATES } from './choosing.js';

/** The shell functions of a printed script that write the rules of a choice for nft. */

const HEAD = `# choose MASK UNDECIDED LAST_RESORT "TIER MARK WEIGHT [GATEWAY]"...: prints the rule that gives a packet whose mark is
# UNDECIDED one of the marks. The members stand in the order of their tiers. The choice is among those of the first tier
# in which one has a weight and a gateway.`;

const FRAME = (draw: string) => `choose() {
	_mask=$1 _undecided=$2 _last=$3
	shift 3
	printf '%s\\n' "$@" | awk -v mask="$_mask" -v undecided="$_undecided" -v last="$_last" '
		function long(number) { sub(/^0x/, "", number); return "0x" substr("00000000", 1, 8 - length(number)) number }
		function marked(number) { return "jump mark_" long(number) "/" long(mask) }
		function rule(words) { print "meta mark & " long(mask) " == " long(undecided) " " words }
${CANDIDATES}
${draw}
			if (count > 1) rule(draw " vmap { " parts " }")
			if (count == 1) rule(marked(mark[1]))
			if (!count && last != "") rule("fib saddr type != local " marked(last))
		}'
}`;

const RANDOM = FRAME(`		END {
			for (i = 1; i <= count; i++) {
				high = low + weight[i] - 1
				parts = parts (i > 1 ? ", " : "") low + 0 (high > low + 0 ? "-" high : "") " : " marked(mark[i])
				low = high + 1
			}
			draw = "numgen random mod " left`);

const NTH = FRAME(`		function greatest(a, b) { return b ? greatest(b, a % b) : a }
		END {
			# Each turn every mark earns its weight; the richest is chosen and pays what all earned.
			for (i = 1; i <= count; i++) divisor = greatest(divisor + 0, weight[i])
			turns = count ? left / divisor : 0
			if (turns > ${MOST_SLOTS}) {
				print "wanmark: the weights make a rotation of " turns ", more than ${MOST_SLOTS}" > "/dev/stderr"
				exit 1
			}
			for (turn = 0; turn < turns; turn++) {
				best = 1
				for (i = 1; i <= count; i++) {
					credit[i] += weight[i]
					if (credit[i] > credit[best]) best = i
				}
				credit[best] -= left
				parts = parts (turn > 0 ? ", " : "") turn " : " marked(mark[best])
			}
			draw = "numgen inc mod " turns`);

const CHOOSE_BY = `# choose_by MASK POLICY END MEMBERS: prints the rules of a policy's own choice for packets with its mark POLICY, or the
# mark END where none of its members can be used: that of a refusal, or none for the main table.
choose_by() {
	_rules=$(choose "$1" "$2" '' "$4") || return 1
	if [ -n "$_rules" ]; then printf '%s\\njump save/0x%08x\\n' "$_rules" "$1"; else printf 'jump mark_0x%08x/0x%08x\\n' "$3" "$1"; fi
}`;

/** The functions of the script that print the rules of choices. */
export function nftChoosing(mode: EngineConfig['kernelMode']): string[] {
  return [`${HEAD}\n${mode === 'nth' ? NTH : RANDOM}`, CHOOSE_BY];
}
