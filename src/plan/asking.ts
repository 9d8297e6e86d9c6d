import type { Hook, Rule, StagePlan } from './plan.js';
import { NOTHING } from './plan.js';
import { connection, hasMark, LED, leave, NEW, NEW_ORIGINAL } from './rule.js';
import { clearMark } from './saving.js';
import { askedBits, choosesAlone, type Scene } from './scene.js';
import { steersOwn } from './steering.js';

/** The chain in which the daemon is asked where others are to have a packet before it. */
export const ASKED_CHAIN = 'WANMARK_ASKED';

/** The rules that ask the daemon about what no rule leaves alone, or choose where there is none to ask. */
export function askingRules(scene: Scene): Rule[] {
  const { spreads } = scene;
  const isNew = spreads ? [] : [NEW_ORIGINAL];
  if (choosesAlone(scene)) return [{ when: isNew, action: { kind: 'goto', chain: 'WANMARK_KERNEL' } }];
  const asked = askedBits(scene);
  const queue: Rule = { when: isNew, action: toDaemon(scene) };
  if (spreads || asked.value === 0) return [queue];
  const note: Rule = { when: isNew, action: { kind: 'set-connmark', bits: asked } };
  return asksLast(scene) ? [note] : [note, queue];
}

/**
 * Where a queue has no listener, the kernel takes the packet to the next table (nf_queue, NF_VERDICT_FLAG_QUEUE_BYPASS), and so
 * it does where the daemon is late. No rule behind the queue sees it: a proxy's TPROXY would not get the first packet of a
 * connection, but all others. What can be copied is left alone before the question (redirections.ts). For the sake of the rest
 * the question is the last of PREROUTING and OUTPUT, where nothing is behind it; what they take is not asked about.
 */
export function askedStage(scene: Scene): StagePlan {
  if (!asksLast(scene)) return NOTHING;
  const asked = askedBits(scene);
  const bases: Hook['base'][] = ['PREROUTING'];
  if (scene.config.rules.own || steersOwn(scene)) bases.push('OUTPUT');
  return {
    chains: [
      {
        name: ASKED_CHAIN,
        rules: [
          leave({ kind: 'connmark', bits: asked, not: true }),
          LED,
          // Somebody's CONNMARK --restore-mark without a mask has given it to the packet.
          { when: [hasMark(asked.value, asked.mask)], action: clearMark(scene) },
          { when: [NEW_ORIGINAL, connection(asked.value, asked.mask)], action: toDaemon(scene) },
        ],
      },
    ],
    hooks: bases.map((base) => ({ base, chain: ASKED_CHAIN, when: [NEW as StateMatch] })),
  };
}

type StateMatch = Extract<typeof NEW, { kind: 'state' }>;

/** Whether rules of others that could not be copied are to have each packet before the daemon is asked. */
function asksLast(scene: Scene): boolean {
  const { facts, family, spreads, uplinks } = scene;
  if (facts.uncopied?.[family] !== true || spreads || uplinks.length === 0) return false;
  return !choosesAlone(scene) && askedBits(scene).value !== 0;
}

/** The queue of the WANs. */
export function toDaemon({ config: { queues } }: Scene): Extract<Rule['action'], { kind: 'queue' }> {
  return { kind: 'queue', first: queues.num, last: queues.num + queues.count - 1 };
}
