import type { Action, Chain, Hook, Rule } from './plan.js';
import {
  comesBy,
  connection,
  decided,
  EXEMPT,
  FROM_LOCAL,
  hasMark,
  INTO_IPSEC,
  leave,
  leavesBy,
  NEW,
} from './rule.js';
import { askedBits, type Scene, wanBits } from './scene.js';
import { keepingChain, steers, strayRules } from './steering.js';
import type { Uplink } from './uplink.js';

/**
 * A connection's mark, from the question to the truth:
 *
 *     asked        before the queue, so that the kernel chooses only for what was asked about
 *     the chosen   on the second pass, or by the kernel's own choice: nobody else's rule can take it back
 *     the truth    where the packet's way is known: what leaves otherwise than was chosen belongs to the WAN it leaves
 *                  by, or to none
 */

/**
 * What becomes of a packet that has a mark already when it enters. What came in by a WAN was marked by no rule for
 * connections of ours. A question that was answered is noted in the connection at once: somebody's
 * `CONNMARK --restore-mark` without a mask, behind our rules, would take the answer back. In front of our rules it has
 * done so, and the question is asked again; the queue ends such a loop.
 */
export function markedRules(scene: Scene): Rule[] {
  const clear = clearMark(scene);
  return [
    EXEMPT,
    ...scene.devices.map((device): Rule => ({ when: [comesBy(device)], action: clear })),
    ...answeredRules(scene),
  ];
}

/** Takes the mark from a packet. */
export function clearMark({ mask }: Scene): Action {
  return { kind: 'set-mark', bits: { value: 0, mask } };
}

/** Notes the answer in the connection. Where packets are spread, nothing is asked for a connection. */
export function answeredRules(scene: Scene): Rule[] {
  if (scene.spreads) return [];
  const { mask } = scene;
  const { value } = askedBits(scene);
  return [
    ...(value === 0 ? [] : [{ when: [hasMark(value, mask)], action: clearMark(scene) }]),
    ...strayRules(scene),
    { when: [decided(mask), connection(value, mask), NEW], action: { kind: 'save', mask } },
  ];
}

/** The chains in which the connection's mark becomes the truth. */
export function truthChains(scene: Scene): Chain[] {
  const { uplinks, devices, mask } = scene;
  const nobody = { kind: 'set-connmark', bits: { value: 0, mask } } as const;
  const otherwise: Rule[] = [
    ...devices.map((device) => leave(comesBy(device))),
    ...uplinks.map(({ wan }) => leave(leavesBy(wan.dev), connection(wanBits(scene, wan.mark).value, mask))),
    { when: [{ kind: 'connmark', bits: { value: 0, mask }, not: true }], action: nobody },
  ];
  return [
    { name: 'WANMARK_TRUTH', rules: otherwise },
    {
      name: 'WANMARK_SAVE',
      rules: [
        EXEMPT,
        { when: [INTO_IPSEC, NEW], action: nobody },
        leave(INTO_IPSEC),
        { when: [NEW, FROM_LOCAL], action: { kind: 'jump', chain: 'WANMARK_TRUTH' } },
        ...uplinks.map((one) => saveRule(scene, one)),
        // An answer leaves by no WAN. Somebody's CONNMARK --set-mark without a mask may have wiped the connection's number
        // since WANMARK gave it to the packet.
        {
          when: [
            decided(mask),
            connection(0, mask),
            { kind: 'state', state: 'new', direction: 'reply', not: true },
          ],
          action: steers(scene) ? { kind: 'jump', chain: 'WANMARK_KEEP' } : { kind: 'save', mask },
        },
      ],
    },
    ...(steers(scene) ? [keepingChain(scene)] : []),
  ];
}

/** New connections that stay here, because they were redirected, or go on to somewhere. */
export const TRUTH_HOOKS: readonly Hook[] = (['FORWARD', 'INPUT'] as const).map((base) => ({
  base,
  chain: 'WANMARK_TRUTH',
  when: [NEW as Extract<typeof NEW, { kind: 'state' }>],
}));

/** The WAN of a connection that has none yet: whoever routed it, except on a shared device. */
function saveRule(scene: Scene, { wan, shared }: Uplink): Rule {
  const bits = wanBits(scene, wan.mark);
  return {
    when: [leavesBy(wan.dev), ...(shared ? [hasMark(bits.value, bits.mask)] : []), connection(0, scene.mask)],
    action: { kind: 'set-connmark', bits },
  };
}
