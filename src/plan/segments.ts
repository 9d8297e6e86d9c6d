import type { Chain, Match, Rule } from './plan.js';

/** The rules of the kernel that one rule of the user's becomes. */
export interface Ruled {
  readonly rules: readonly Rule[];
  /** Conditions that a packet must meet for any of them. */
  readonly common: readonly Match[];
}

/** From how many rules with a common condition on it pays to ask for that condition first. */
const WORTH = 8;

/** Conditions that can be asked for the other way round. */
const INVERTIBLE: ReadonlySet<Match['kind']> = new Set([
  'in',
  'protocol',
  'source',
  'destination',
  'destination-in',
  'in-ipset',
  'dscp',
  'mark',
  'user',
]);

/**
 * The rules as one chain or several that follow each other: a run of rules that all ask for the same protocol, device or
 * the like is skipped at once by every packet that does not meet it. All ways on are `goto`, so what a rule leads to
 * returns to where the first chain was entered from.
 * @param end what becomes of packets that no rule is for
 */
export function segments(name: string, all: readonly Ruled[], end: readonly Rule[]): Chain[] {
  const runs = runsOf(all);
  if (runs.every(({ by }) => by === undefined)) {
    return [{ name, rules: [...all.flatMap(({ rules }) => rules), ...end] }];
  }
  const nameOf = (i: number) => (i === 0 ? name : `${name}${i + 1}`);
  const next = (i: number, when: readonly Match[]): Rule => ({
    when,
    action: { kind: 'goto', chain: nameOf(i + 1) },
  });
  return [
    ...runs.map(({ by, ruled }, i) => ({
      name: nameOf(i),
      rules: [
        ...(by === undefined ? [] : [next(i, [inverted(by)])]),
        ...ruled.flatMap(({ rules }) => rules),
        next(i, []),
      ],
    })),
    { name: nameOf(runs.length), rules: end },
  ];
}

interface Run {
  readonly by: Match | undefined;
  readonly ruled: Ruled[];
}

function runsOf(all: readonly Ruled[]): Run[] {
  const runs: Run[] = [];
  for (let i = 0; i < all.length; ) {
    const found = longestRun(all, i);
    if (found === undefined) {
      const last = runs.at(-1);
      if (last !== undefined && last.by === undefined) last.ruled.push(all[i]!);
      else runs.push({ by: undefined, ruled: [all[i]!] });
      i++;
    } else {
      runs.push(found);
      i += found.ruled.length;
    }
  }
  return runs;
}

/** The longest run from a place on with a common condition, where it is long enough. */
function longestRun(all: readonly Ruled[], from: number): Run | undefined {
  let best: Run | undefined;
  for (const by of all[from]!.common.filter(({ kind }) => INVERTIBLE.has(kind))) {
    const key = JSON.stringify(by);
    const lacks = (one: Ruled) => !one.common.some((match) => JSON.stringify(match) === key);
    const after = all.slice(from).findIndex(lacks);
    const ruled = all.slice(from, after < 0 ? undefined : from + after);
    const size = ruled.reduce((sum, { rules }) => sum + rules.length, 0);
    if (size >= WORTH && ruled.length > (best?.ruled.length ?? 1)) best = { by, ruled };
  }
  return best;
}

function inverted(match: Match): Match {
  if ('not' in match && match.not) {
    const { not, ...plain } = match;
    return plain as Match;
  }
  return { ...match, not: true } as Match;
}
