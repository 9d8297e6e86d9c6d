import type { Item, Keys, Value } from '../draft.js';
import type { Findings } from '../findings.js';
import { Names } from '../names.js';
import { useOf } from '../pool.js';
import type { SourceLine } from '../source.js';

/** Names that mean something else in our configuration. */
export const OURS = ['default', 'direct', 'unreachable', 'blackhole', 'main'];

/** A rule that balances, or that leaves alone what it is for. */
export interface Balance {
  /** As it is called in messages. */
  readonly title: string;
  /** As its policy is called here, if that is not another one's. */
  readonly name: string;
  readonly match: Keys;
  /** Undefined where it leaves alone what it is for. */
  readonly members: Parameters<typeof useOf>[0] | undefined;
  readonly lines: readonly SourceLine[];
}

/** What the rules lead to: policies, of which equal ones are one. */
export interface Policies {
  readonly items: readonly Item[];
  /** By the place of the rule. */
  readonly targets: readonly string[];
}

/**
 * VyOS asks the next rule when a rule has no interface that works, so what becomes of a policy's traffic then is what a
 * later rule for all of it says.
 */
export function readPolicies(
  rules: readonly Balance[],
  wans: readonly string[],
  findings: Findings,
): Policies {
  const names = new Names([...OURS, ...wans]);
  /** What tells policies from each other, by the place of the rule; undefined for one that leaves alone. */
  const kinds: (string | undefined)[] = [];
  const next: (number | undefined)[] = [];
  for (let i = rules.length - 1; i >= 0; i--) {
    const { members } = rules[i]!;
    if (members === undefined) continue;
    const { heir, missed } = heirOf(rules, i);
    next[i] = heir;
    if (missed !== undefined) {
      findings.lost(
        rules[i]!.lines[0]!,
        `when no interface of ${rules[i]!.title} works, VyOS asks ${missed.title} for some of its traffic, and we do not`,
      );
    }
    kinds[i] = JSON.stringify([useOf(members), next[i] === undefined ? 'main' : kinds[next[i]!]]);
  }
  const byKind = new Map<string, string>();
  rules.forEach(({ name }, i) => {
    const kind = kinds[i];
    if (kind !== undefined && !byKind.has(kind)) byKind.set(kind, names.take(name, '-policy'));
  });
  const targetOf = (i: number) => (kinds[i] === undefined ? 'direct' : byKind.get(kinds[i])!);
  const items = [...byKind].map(([kind, name]): Item => {
    const i = kinds.indexOf(kind);
    const none: Value = next[i] === undefined ? 'main' : targetOf(next[i]);
    return { keys: { name, use: useOf(rules[i]!.members!), none }, from: rules[i]!.lines };
  });
  return { items, targets: rules.map((_, i) => targetOf(i)) };
}

/** Who has the traffic of a rule that has no interface that works. */
interface Heir {
  /** The place of the rule that has all of it; undefined where that is the main table. */
  readonly heir: number | undefined;
  /** A rule that would have some of it, which we cannot say. */
  readonly missed: Balance | undefined;
}

function heirOf(rules: readonly Balance[], i: number): Heir {
  const { match, members = [] } = rules[i]!;
  const own = members.map(({ wan }) => wan);
  let missed: Balance | undefined;
  let excluded: Balance | undefined;
  for (let j = i + 1; j < rules.length; j++) {
    const other = rules[j]!;
    const isAll = covers(other.match, match);
    const isApart =
      other.match.in !== undefined && match.in !== undefined && !covers({ in: other.match.in }, match);
    if (other.members === undefined) {
      if (isAll) break;
      if (!isApart) excluded ??= other;
    } else if (other.members.some(({ wan }) => !own.includes(wan))) {
      if (isAll) return { heir: j, missed: missed ?? excluded };
      if (!isApart) missed ??= other;
    }
  }
  return { heir: undefined, missed };
}

/** Whether everything that `match` is for is also what `wider` is for, as far as the words show it. */
function covers(wider: Keys, match: Keys): boolean {
  return Object.entries(wider).every(
    ([key, value]) =>
      JSON.stringify(match[key]) === JSON.stringify(value) || (key === 'in' && hasPrefix(value, match[key])),
  );
}

/** Whether a device is one that `eth+` stands for. */
function hasPrefix(pattern: Value, device: Value | undefined): boolean {
  return (
    typeof pattern === 'string' &&
    typeof device === 'string' &&
    pattern.endsWith('+') &&
    device.startsWith(pattern.slice(0, -1))
  );
}
