import { FAMILIES } from '../../../core/family.js';
import { type Action, type MarkBits, type Match, type Plan, type Rule, STAGES } from '../../plan.js';
import { writeWords } from './actions.js';
import { bitsWords } from './matches.js';
import { copyChain, longHex, markChain } from './names.js';

/** A chain and its rules, in the words of nft. */
export interface NftChain {
  readonly name: string;
  readonly rules: readonly string[];
}

/**
 * The chains that write marks. Kernels before 6.13 cannot put two registers together, which copying a field between others'
 * bits is, so each value has a chain of its own: `mark_VALUE/MASK` for packets and `connmark_VALUE/MASK` for connections;
 * `restore/MASK` and `save/MASK` lead to them. A number that the plan does not know, as of a WAN that was taken away, is
 * copied bit by bit.
 * @param others values for which packets' chains are wanted, whatever the plan has
 */
export function markChains(plan: Plan, others: readonly MarkBits[] = []): NftChain[] {
  const actions: Action[] = [];
  const bits: MarkBits[] = [];
  for (const { action, when } of rulesOf(plan)) {
    if (action !== undefined) actions.push(action);
    bits.push(...bitsOf(action, when));
  }
  const written = new Map<string, { readonly what: 'mark' | 'connmark'; readonly bits: MarkBits }>();
  const write = (what: 'mark' | 'connmark', one: MarkBits) =>
    written.set(markChain(what, one), { what, bits: one });
  for (const one of others) write('mark', one);
  const copies = new Map<string, NftChain>();
  for (const action of actions) {
    if (action.kind === 'set-mark') write('mark', action.bits);
    if (action.kind === 'set-connmark') write('connmark', action.bits);
    if (action.kind === 'choose') {
      const { mask, shares } = action.choice;
      for (const { value } of shares) write('mark', { value, mask });
    }
    if (action.kind !== 'restore' && action.kind !== 'save') continue;
    const { kind, mask } = action;
    const values = [
      ...new Set(bits.filter((one) => one.mask === mask && one.value !== 0).map(({ value }) => value)),
    ];
    values.sort((a, b) => a - b);
    for (const value of [0, ...values]) write(kind === 'restore' ? 'mark' : 'connmark', { value, mask });
    copies.set(copyChain(kind, mask), copying(kind, mask, values));
  }
  const writing = [...written].map(([name, { what, bits: one }]) => ({
    name,
    rules: [writeWords(what === 'mark' ? 'meta mark' : 'ct mark', one.value, one.mask)],
  }));
  return [...writing.toSorted((a, b) => (a.name < b.name ? -1 : 1)), ...copies.values()];
}

function rulesOf({ families }: Plan): Rule[] {
  return FAMILIES.flatMap((family) =>
    STAGES.flatMap((stage) => families[family].stages[stage].chains.flatMap(({ rules }) => rules)),
  );
}

/** The values of fields that a rule knows. */
function bitsOf(action: Action | undefined, when: readonly Match[]): MarkBits[] {
  const asked = when.flatMap((match) =>
    match.kind === 'mark' || match.kind === 'connmark' ? [match.bits] : [],
  );
  if (action?.kind === 'set-mark' || action?.kind === 'set-connmark') return [...asked, action.bits];
  if (action?.kind !== 'choose') return asked;
  const { mask, shares } = action.choice;
  return [...asked, ...shares.map(({ value }) => ({ value, mask }))];
}

function copying(kind: 'restore' | 'save', mask: number, values: readonly number[]): NftChain {
  const [from, to, what] =
    kind === 'restore'
      ? (['ct mark', 'meta mark', 'mark'] as const)
      : (['meta mark', 'ct mark', 'connmark'] as const);
  const known = [0, ...values].map((value) => `${longHex(value)} : goto ${markChain(what, { value, mask })}`);
  const bits = Array.from({ length: 32 }, (_, i) => (1 << i) >>> 0).filter((bit) => (bit & mask) !== 0);
  return {
    name: copyChain(kind, mask),
    rules: [
      `${from} & ${longHex(mask)} vmap { ${known.join(', ')} }`,
      writeWords(to, 0, mask),
      ...bits.map((bit) => `${bitsWords(from, { value: bit, mask: bit })} ${to} set ${to} | ${longHex(bit)}`),
    ],
  };
}
