import type { Family } from '../../../core/family.js';
import { rotation } from '../../choice.js';
import type { Action, Choice, Share, Stage } from '../../plan.js';
import { hashLines } from './hash.js';
import { bitsWords, clientWords, ip } from './matches.js';
import { chainName, copyChain, longHex, markChain, ringChain, setName } from './names.js';

/** The words of an action; a rule of the plan is a rule of nft for each of them. */
export function actionLines(action: Action, family: Family, stage: Stage): string[] {
  if (action.kind !== 'choose') return [actionWords(action, family, stage)];
  const { choice } = action;
  const own = choice.hash === undefined ? [choiceWords(choice)] : hashLines(choice, choice.hash, family);
  return choice.ahead === undefined ? own : [ringWords(choice, choice.ahead, family), ...own];
}

/** The words of an action other than a choice. */
function actionWords(action: Exclude<Action, { kind: 'choose' }>, family: Family, stage: Stage): string {
  switch (action.kind) {
    case 'return':
    case 'accept':
    case 'masquerade':
      return action.kind;
    case 'goto':
    case 'jump':
      return `${action.kind} ${chainName(family, stage, action.chain)}`;
    case 'restore':
    case 'save':
      return `jump ${copyChain(action.kind, action.mask)}`;
    case 'set-mark':
      return `jump ${markChain('mark', action.bits)}`;
    case 'set-connmark':
      return `jump ${markChain('connmark', action.bits)}`;
    case 'queue':
      // How many were asked about is worth a counter.
      return `counter queue num ${action.first === action.last ? action.first : `${action.first}-${action.last}`} bypass`;
    case 'remember':
      return `update @${setName(family, action.set)} { ${clientWords(family)} timeout ${action.seconds}s }`;
    case 'forget':
      return `delete @${setName(family, action.set)} { ${clientWords(family)} }`;
    case 'snat':
      return `snat ${ip(family)} to ${action.address}`;
    case 'netmap':
      return `snat ${ip(family)} prefix to ${action.prefix}`;
    case 'dnat':
      return `dnat ${ip(family)} to ${action.to}`;
    case 'log':
      return `log prefix "${action.prefix}"`;
  }
}

/** Leads to what a daemon has chosen beforehand. What that leaves undecided, as when nothing is written, goes on. */
function ringWords({ mask, undecided: value = 0 }: Choice, pool: string, family: Family): string {
  return `${bitsWords('meta mark', { value, mask })} jump ${ringChain(family, pool)}`;
}

/**
 * A choice is one rule. `numgen random` draws, `numgen inc` counts the packets that the match before it lets through. They
 * are written as nft prints them, so that a choice can be changed without a look.
 */
function choiceWords({ mask, mode, shares, undecided: value = 0 }: Choice): string {
  const when = bitsWords('meta mark', { value, mask });
  const jump = (share: Pick<Share, 'value'>) => `jump ${markChain('mark', { value: share.value, mask })}`;
  if (shares.length === 1) return `${when} ${jump(shares[0]!)}`;
  if (mode === 'nth') {
    const all = rotation(shares);
    return `${when} numgen inc mod ${all.length} vmap { ${all.map((share, i) => `${i} : ${jump(share)}`).join(', ')} }`;
  }
  let from = 0;
  const parts = shares.map((share) => {
    const to = from + share.weight - 1;
    const range = from === to ? `${from}` : `${from}-${to}`;
    from = to + 1;
    return `${range} : ${jump(share)}`;
  });
  return `${when} numgen random mod ${from} vmap { ${parts.join(', ')} }`;
}

/** The rule of a chain that writes bits into a mark; those outside the mask belong to others. */
export function writeWords(what: 'meta mark' | 'ct mark', value: number, mask: number): string {
  return `${what} set ${what} & ${longHex(~mask)} | ${longHex(value)}`;
}
