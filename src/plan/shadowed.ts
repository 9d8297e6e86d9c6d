import type { Addresses } from '../config/match/address.js';
import type { RuleMatch } from '../config/match/match.js';
import type { Values } from '../config/match/values.js';
import { type PolicyRule, ruleText } from '../config/rule.js';
import { FAMILIES } from '../core/family.js';
import { type Interval, includesInterval, meets, parsedInterval } from './interval.js';

/** More parts of a rule than these are not looked at one by one. */
const MOST_PARTS = 256;

/**
 * One line for each rule that can never match, because those before it take all of it, as far as that can be told. Where main
 * has a route of its own to a destination, only rules that name it hold there (named-networks.ts).
 * @param mains the networks to which main has such a route, of both families; asked for only where it matters
 */
export function shadowedRules(rules: readonly PolicyRule[], mains: () => readonly string[]): string[] {
  let known: Interval[] | undefined;
  const knownMains = () => {
    known ??= mains().flatMap((text) => parsedInterval(text) ?? []);
    return known;
  };
  return rules.flatMap((rule, i) => {
    const takers = new Set<number>();
    const before = rules.slice(0, i);
    const isTaken = partsOf(rule.match).every((part) => {
      const taker = before.findIndex(
        ({ match }) => takesAll(match, part) && holdsThere(match, part, knownMains),
      );
      takers.add(taker);
      return taker >= 0;
    });
    if (!isTaken) return [];
    const those = [...takers].toSorted((a, b) => a - b);
    const named = those.map((one) => `${one + 1} (${ruleText(rules[one]!)})`);
    const who = those.length === 1 ? `rule ${named[0]} takes` : `rules ${named.join(' and ')} take`;
    return [
      `rule ${i + 1} (${ruleText(rule)}) can never match, since ${who} all of it; put it first, or leave it out`,
    ];
  });
}

/** The parts of a match, each of one value of each list, that together are the match; itself where these are too many. */
function partsOf(match: RuleMatch): readonly RuleMatch[] {
  let parts: RuleMatch[] = [match];
  const split = (more: (part: RuleMatch) => readonly RuleMatch[]) => {
    const finer = parts.flatMap(more);
    if (finer.length <= MOST_PARTS) parts = finer;
  };
  for (const key of [
    'from',
    'to',
    'proto',
    'sport',
    'dport',
    'in',
    'mac',
    'set',
    'dscp',
    'fwmark',
    'uid',
  ] as const)
    split((part) => eachOf(part[key]).map((one) => ({ ...part, ...(one && { [key]: one }) })));
  split((part) => (part.family === undefined ? FAMILIES.map((family) => ({ ...part, family })) : [part]));
  // What has a device or a sender's address comes from others, and a user only what is the router's own.
  split((part) => {
    if (part.own !== undefined) return [part];
    if (part.uid !== undefined) return [{ ...part, own: true }];
    if (part.in !== undefined || part.mac !== undefined) return [{ ...part, own: false }];
    return [true, false].map((own) => ({ ...part, own }));
  });
  return parts;
}

function eachOf(values: Values<unknown> | undefined): readonly (Values<unknown> | undefined)[] {
  return values === undefined || values.not ? [values] : values.any.map((one) => ({ any: [one] }));
}

/** Whether each connection that the inner match is for is one of the outer match's, as far as that can be told. */
function takesAll(outer: RuleMatch, inner: RuleMatch): boolean {
  const both = <T>(key: (match: RuleMatch) => Values<T> | undefined, how: Comparison<T>) =>
    includes(key(outer), key(inner), how);
  return (
    (outer.family === undefined || outer.family === inner.family) &&
    (outer.own === undefined || outer.own === inner.own) &&
    (outer.time === undefined || JSON.stringify(outer.time) === JSON.stringify(inner.time)) &&
    both((match) => match.from, ADDRESSES) &&
    both((match) => match.to, ADDRESSES) &&
    both(({ proto }) => proto, NUMBERS) &&
    both(({ sport }) => sport, RANGES) &&
    both(({ dport }) => dport, RANGES) &&
    both((match) => match.in, { holds: isPattern }) &&
    both(({ mac }) => mac, NUMBERS) &&
    both((match) => match.set, { holds: Object.is }) &&
    both(({ dscp }) => dscp, NUMBERS) &&
    both(({ fwmark }) => fwmark, { holds: (a, b) => a.value === b.value && a.mask === b.mask }) &&
    both(({ uid }) => uid, RANGES)
  );
}

/** Whether the outer match holds for those of the inner's destinations that main has a route to. */
function holdsThere({ to: outer }: RuleMatch, { to: inner }: RuleMatch, mains: () => Interval[]): boolean {
  const isKnown = (one: Addresses) =>
    one.kind === 'network' && mains().some((main) => includesInterval(main, intervalOf(one)!));
  const names = (one: Addresses) =>
    outer?.not !== true && outer?.any.some((other) => isKnown(other) && ADDRESSES.holds(other, one)) === true;
  return inner === undefined || inner.not === true || inner.any.every((one) => !isKnown(one) || names(one));
}

/** How two values of a key compare. */
interface Comparison<T> {
  /** Whether the outer one has all of the inner one. */
  readonly holds: (outer: T, inner: T) => boolean;
  /** Whether they have nothing in common for certain. */
  readonly apart?: (outer: T, inner: T) => boolean;
}

/** Lists with a `!` are compared as a whole, or with what they leave. */
function includes<T>(
  outer: Values<T> | undefined,
  inner: Values<T> | undefined,
  { holds, apart }: Comparison<T>,
): boolean {
  if (outer === undefined) return true;
  if (inner === undefined) return false;
  if (inner.not) return JSON.stringify(outer) === JSON.stringify(inner);
  if (outer.not)
    return apart !== undefined && inner.any.every((one) => outer.any.every((other) => apart(other, one)));
  return inner.any.every((one) => outer.any.some((other) => holds(other, one)));
}

const NUMBERS: Comparison<number | string> = { holds: Object.is, apart: (a, b) => a !== b };

const RANGES: Comparison<{ readonly low: number; readonly high: number }> = {
  holds: (a, b) => a.low <= b.low && b.high <= a.high,
  apart: (a, b) => a.high < b.low || b.high < a.low,
};

const ADDRESSES: Comparison<Addresses> = {
  holds: (a, b) => a.text === b.text || compared(a, b, includesInterval),
  apart: (a, b) => compared(a, b, (one, other) => !meets(one, other)),
};

/** Addresses with some bits are no interval, so they compare with none. */
function compared(a: Addresses, b: Addresses, how: (a: Interval, b: Interval) => boolean): boolean {
  const [one, other] = [intervalOf(a), intervalOf(b)];
  return one !== undefined && other !== undefined && how(one, other);
}

const intervals = new WeakMap<Addresses, Interval>();

/** They are kept, since each rule is compared with all before it. */
function intervalOf(addresses: Addresses): Interval | undefined {
  const kept = intervals.get(addresses) ?? parsedInterval(addresses.text);
  if (kept !== undefined) intervals.set(addresses, kept);
  return kept;
}

/** A `+` at the end of a device's name stands for any characters. */
function isPattern(outer: string, inner: string): boolean {
  return outer === inner || (outer.endsWith('+') && inner.startsWith(outer.slice(0, -1)));
}
