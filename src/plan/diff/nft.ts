import { isRing, isTaken, TABLE } from '../render/nft/names.js';
import { acceptSteps } from './nft-accept.js';

/**
 * The difference between our nft table as it is and as it should be, as one batch for `nft -f`, which the kernel takes as a
 * whole or not at all. Pure: text in, text out, in the form that render/nft/nft.ts describes.
 *
 * A chain whose text did not change is not touched, so its counters go on; nor are the choices that a daemon writes, which
 * neither text shows. Base chains are never removed but with the whole
 * table.
 */
export interface NftState {
  /** The current lines, as the kernel prints them. */
  readonly have: readonly string[];
  /** The lines that we wrote when `have` was made, of those parts for which that is known ({@link settledParts}). */
  readonly asked: readonly string[];
}

/** How many elements one command adds; a person can still read it. */
const ELEMENTS = 200;

/** The commands; none where nothing differs. */
export function nftSteps({ have, asked }: NftState, want: readonly string[]): string[] {
  return [...tableSteps({ have: have.filter(isOurs), asked }, want), ...acceptSteps(have, want)];
}

function isOurs(line: string): boolean {
  return !line.startsWith('forward ');
}

function tableSteps({ have, asked }: NftState, want: readonly string[]): string[] {
  const now = parseNft(have);
  const wanted = parseNft(want);
  if (want.length === 0) return have.length === 0 ? [] : [`delete table ${TABLE}`];
  const before = parseNft(asked);
  const changed = [...wanted.rules.keys()].filter(
    (chain) => !now.rules.has(chain) || !isSame(before.rules.get(chain), wanted.rules.get(chain)),
  );
  const gone = [...now.rules.keys()].filter((chain) => !wanted.rules.has(chain) && !now.isBase(chain));
  // What a daemon has written leads to them; it writes anew.
  const unled = gone.some(isTaken);
  const emptied = [...now.rules.keys()].filter(
    (chain) => !wanted.rules.has(chain) || changed.includes(chain) || (unled && isRing(chain)),
  );
  const fresh = (those: ReadonlyMap<string, unknown>, these: ReadonlyMap<string, unknown>) =>
    [...those.keys()].filter((name) => !these.has(name));
  const steps = [
    ...fresh(wanted.counters, now.counters).map((name) => `add counter ${TABLE} ${name}`),
    ...fresh(wanted.sets, now.sets).map((name) => `add set ${TABLE} ${name} { ${wanted.sets.get(name)} }`),
    ...fresh(wanted.rules, now.rules).map(
      (name) => `add chain ${TABLE} ${name}${headOf(wanted.heads.get(name))}`,
    ),
    ...emptied.map((chain) => `flush chain ${TABLE} ${chain}`),
    ...[...wanted.sets.keys()].flatMap((set) =>
      elementSteps(
        set,
        now.elements.get(set) ?? [],
        before.elements.get(set),
        wanted.elements.get(set) ?? [],
      ),
    ),
    ...changed.flatMap((chain) =>
      wanted.rules.get(chain)!.map((rule) => `add rule ${TABLE} ${chain} ${rule}`),
    ),
    ...gone.map((chain) => `delete chain ${TABLE} ${chain}`),
    ...fresh(now.sets, wanted.sets).map((name) => `delete set ${TABLE} ${name}`),
    ...fresh(now.counters, wanted.counters).map((name) => `delete counter ${TABLE} ${name}`),
  ];
  return steps.length === 0 ? [] : [`add table ${TABLE}`, ...steps];
}

function headOf(head: string | undefined): string {
  return head === undefined || head === '' ? '' : ` { ${head} }`;
}

/**
 * What leaves a set goes first, since what overlaps is refused. A set that somebody has changed is made anew.
 * @param asked undefined where the set is not as it was left
 */
function elementSteps(
  set: string,
  have: readonly string[],
  asked: readonly string[] | undefined,
  want: readonly string[],
): string[] {
  const known = asked ?? (have.length === 0 ? [] : undefined);
  if (known === undefined) return [`flush set ${TABLE} ${set}`, ...elementCommands('add', set, want)];
  const [old, fresh] = [new Set(known), new Set(want)];
  return [
    ...elementCommands(
      'delete',
      set,
      known.filter((one) => !fresh.has(one)),
    ),
    ...elementCommands(
      'add',
      set,
      want.filter((one) => !old.has(one)),
    ),
  ];
}

function elementCommands(verb: 'add' | 'delete', set: string, elements: readonly string[]): string[] {
  const parts = Array.from({ length: Math.ceil(elements.length / ELEMENTS) }, (_, i) =>
    elements.slice(i * ELEMENTS, (i + 1) * ELEMENTS),
  );
  return parts.map((part) => `${verb} element ${TABLE} ${set} { ${part.join(', ')} }`);
}

/**
 * The lines that were asked for, of those chains and sets that are still as the kernel printed them then: it prints rules
 * in its own way, so a text of ours can be compared only with another text of ours.
 */
export function settledParts(
  have: readonly string[],
  settled: { readonly want: readonly string[]; readonly have: readonly string[] },
): string[] {
  const now = parseNft(have);
  const then = parseNft(settled.have);
  const isKept = (line: string) => {
    const [kind, name = ''] = line.split(' ', 2);
    if (kind === 'chain' || kind === 'rule')
      return now.rules.has(name) && isSame(now.rules.get(name), then.rules.get(name));
    if (kind === 'set' || kind === 'element')
      return now.sets.has(name) && isSame(now.elements.get(name), then.elements.get(name));
    return true;
  };
  return settled.want.filter(isKept);
}

function isSame(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  return a !== undefined && b !== undefined && a.length === b.length && a.every((line, i) => line === b[i]);
}

interface Table {
  readonly counters: ReadonlyMap<string, unknown>;
  /** The sets' types and flags, by name. */
  readonly sets: ReadonlyMap<string, string>;
  /** An entry for each set. */
  readonly elements: ReadonlyMap<string, readonly string[]>;
  readonly heads: ReadonlyMap<string, string>;
  /** An entry for each chain. */
  readonly rules: ReadonlyMap<string, readonly string[]>;
  readonly isBase: (chain: string) => boolean;
}

/** Reads the lines of a table. */
export function parseNft(lines: readonly string[]): Table {
  const counters = new Map<string, true>();
  const sets = new Map<string, string>();
  const elements = new Map<string, string[]>();
  const heads = new Map<string, string>();
  const rules = new Map<string, string[]>();
  for (const line of lines) {
    const [, kind, name, rest = ''] = /^(\S+) (\S+) ?(.*)$/.exec(line) ?? [];
    if (name === undefined) continue;
    if (kind === 'counter') counters.set(name, true);
    else if (kind === 'set') {
      sets.set(name, rest);
      elements.set(name, []);
    } else if (kind === 'element') elements.get(name)?.push(rest);
    else if (kind === 'chain') {
      heads.set(name, rest);
      rules.set(name, []);
    } else if (kind === 'rule') rules.get(name)?.push(rest);
  }
  return { counters, sets, elements, heads, rules, isBase: (chain) => heads.get(chain) !== '' };
}
