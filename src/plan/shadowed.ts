import type { RuleMatch } from '../config/match/match.js';
import type { Values } from '../config/match/values.js';
import { type PolicyRule, ruleText } from '../config/rule.js';
import { covers, parseNetwork } from './network.js';

/** One line for each rule that can never match, because one before it takes all of it. */
export function shadowedRules(rules: readonly PolicyRule[]): string[] {
  return rules.flatMap((rule, i) => {
    const taker = rules.findIndex((other, j) => j < i && takesAll(other.match, rule.match));
    if (taker < 0) return [];
    return [
      `rule ${i + 1} (${ruleText(rule)}) can never match, since rule ${taker + 1} (${ruleText(rules[taker]!)}) takes all of it; ` +
        'put it first, or leave it out',
    ];
  });
}

/** Whether each connection that the inner match is for is one of the outer match's, as far as that can be told. */
function takesAll(outer: RuleMatch, inner: RuleMatch): boolean {
  const both = <T>(key: (match: RuleMatch) => Values<T> | undefined, holds: (a: T, b: T) => boolean) =>
    includes(key(outer), key(inner), holds);
  const range = (a: { low: number; high: number }, b: { low: number; high: number }) =>
    a.low <= b.low && b.high <= a.high;
  return (
    (outer.family === undefined || outer.family === inner.family) &&
    (outer.own === undefined || outer.own === (inner.uid === undefined ? inner.own : true)) &&
    (outer.time === undefined || JSON.stringify(outer.time) === JSON.stringify(inner.time)) &&
    both((match) => match.from, contains) &&
    both((match) => match.to, contains) &&
    both(({ proto }) => proto, Object.is) &&
    both(({ sport }) => sport, range) &&
    both(({ dport }) => dport, range) &&
    both((match) => match.in, isPattern) &&
    both(({ mac }) => mac, Object.is) &&
    both((match) => match.set, Object.is) &&
    both(({ dscp }) => dscp, Object.is) &&
    both(
      ({ fwmark }) => fwmark,
      (a, b) => a.value === b.value && a.mask === b.mask,
    ) &&
    both(({ uid }) => uid, range)
  );
}

/** Lists with a `!` are compared as a whole. */
function includes<T>(
  outer: Values<T> | undefined,
  inner: Values<T> | undefined,
  holds: (outer: T, inner: T) => boolean,
): boolean {
  if (outer === undefined) return true;
  if (inner === undefined) return false;
  if (outer.not || inner.not) return JSON.stringify(outer) === JSON.stringify(inner);
  return inner.any.every((one) => outer.any.some((other) => holds(other, one)));
}

function contains(outer: { readonly text: string }, inner: { readonly text: string }): boolean {
  const [a, b] = [parseNetwork(outer.text), parseNetwork(inner.text)];
  return outer.text === inner.text || (a !== undefined && b !== undefined && covers(a, b));
}

/** A `+` at the end of a device's name stands for any characters. */
function isPattern(outer: string, inner: string): boolean {
  return outer === inner || (outer.endsWith('+') && inner.startsWith(outer.slice(0, -1)));
}
