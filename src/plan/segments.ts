import { formatAddress } from '../core/address.js';
import { parseNetwork } from './network.js';
import type { Chain, Match, Rule } from './plan.js';
import type { Conditions } from './rule-match.js';

/** The rules of the kernel that one rule of the user's becomes. */
export interface Ruled {
  readonly rules: readonly Rule[];
  /**
   * The same for a chain that is entered by `jump`: what matches comes back with a mark. Undefined where no mark says what
   * becomes of it.
   */
  readonly marking: readonly Rule[] | undefined;
  /** Conditions that every packet of the rule meets. */
  readonly common: readonly Match[];
}

/** From how many rules with a common condition on it pays to ask for that condition first. */
const WORTH = 6;

/** A wider network has every client or every server in it, so it says nothing. */
const SHORTEST = { 4: 16, 6: 32 } as const;

/**
 * The rules as one chain, and further ones for runs of rules that all ask for the same protocol, device, network or the
 * like: one question passes over the whole run. Each run is left again before the next is entered, since a kernel refuses
 * chains that are entered 16 deep (NFT_JUMP_STACK_SIZE), by `goto` too.
 * @param led takes what comes back from a run with a mark
 * @param end what becomes of packets that no rule is for
 */
export function segments(name: string, all: readonly Ruled[], led: Rule, end: readonly Rule[]): Chain[] {
  const rules: Rule[] = [];
  const runs: Chain[] = [];
  for (let i = 0; i < all.length; ) {
    const { by, length } = longestRun(all, i);
    const ruled = all.slice(i, i + length);
    if (by === undefined) {
      rules.push(...ruled.flatMap((one) => one.rules));
    } else {
      const chain = `${name}${runs.length + 2}`;
      runs.push({ name: chain, rules: ruled.flatMap(({ marking }) => marking!) });
      rules.push({ when: [by], action: { kind: 'jump', chain } }, led);
    }
    i += length;
  }
  return [{ name, rules: [...rules, ...end] }, ...runs];
}

interface Run {
  readonly by?: Match;
  readonly length: number;
}

/** The longest run from a place on with a common condition; a single rule where none is worth it. */
function longestRun(all: readonly Ruled[], from: number): Run {
  let best: Run = { length: 1 };
  if (all[from]!.marking === undefined) return best;
  for (const first of all[from]!.common) {
    let by = first;
    let to = from + 1;
    let size = all[from]!.rules.length;
    for (; to < all.length && all[to]!.marking !== undefined; to++) {
      const wider = anyOf(all[to]!.common.map((other) => either(by, other)));
      if (wider === undefined) break;
      by = wider;
      size += all[to]!.rules.length;
    }
    if (size >= WORTH && to - from > best.length) best = { by, length: to - from };
  }
  return best;
}

/** What every packet meets for which the conditions hold, whichever of their alternatives it takes. */
export function commonOf({ all, clauses }: Conditions): Match[] {
  const listed = clauses
    .filter(({ not }) => !not)
    .flatMap(({ any: [first = [], ...others] }) =>
      first.flatMap((match) => {
        let common: Match | undefined = match;
        for (const other of others) common = common && anyOf(other.map((one) => either(common!, one)));
        return common ?? [];
      }),
    );
  return [...all, ...listed].filter(isNarrow);
}

function anyOf<T>(list: readonly (T | undefined)[]): T | undefined {
  return list.find((one) => one !== undefined);
}

function isNarrow(match: Match): boolean {
  if (match.kind !== 'source' && match.kind !== 'destination') return true;
  const network = parseNetwork(match.network);
  return network !== undefined && (match.not || network.bits.length >= SHORTEST[network.family]);
}

/** A condition that holds where either does, and not for much more; undefined where there is none. */
function either(a: Match, b: Match): Match | undefined {
  if (JSON.stringify(a) === JSON.stringify(b)) return a;
  if (a.kind !== 'source' && a.kind !== 'destination') return undefined;
  if (b.kind !== a.kind || a.not || b.not) return undefined;
  const network = networkOfBoth(a.network, b.network);
  return network === undefined ? undefined : { kind: a.kind, network };
}

/** The smallest network that has both in it. */
function networkOfBoth(a: string, b: string): string | undefined {
  const [one, other] = [parseNetwork(a), parseNetwork(b)];
  if (one === undefined || other === undefined || one.family !== other.family) return undefined;
  let length = 0;
  while (length < one.bits.length && one.bits[length] === other.bits[length]) length++;
  if (length < SHORTEST[one.family]) return undefined;
  if (length === one.bits.length) return a;
  const bits = one.bits.slice(0, length).padEnd(one.family === 4 ? 32 : 128, '0');
  const bytes = Uint8Array.from(bits.match(/.{8}/g)!, (byte) => Number.parseInt(byte, 2));
  return `${formatAddress(bytes, 0, one.family)}/${length}`;
}
