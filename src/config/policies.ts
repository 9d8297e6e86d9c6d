import type { Family } from '../core/family.js';
import type { MarkField } from '../core/mark.js';
import type { Sticky } from '../core/stickiness.js';
import type { Wan } from '../core/wan.js';
import { UsageError } from '../errors.js';
import type { MarkFields } from './fields.js';
import type { LastResort } from './last-resort.js';
import type { RawConfig } from './options.js';
import { DEFAULT_POLICY, DIRECT, type Policy, parsePolicies } from './policy.js';
import { readList } from './raw.js';
import { type PolicyRule, parsePolicyRules } from './rule.js';
import { type NamedSet, parseSets } from './set.js';
import { parseSticky } from './sticky.js';

/** A policy that connections are led to, by a rule or by another's `none`. */
export interface UsedPolicy extends Policy {
  /**
   * The number by which a rule tells packets of the policy from others, in the field of the WANs and above all of them;
   * undefined where only another policy's `none` leads to it, and it does not refuse.
   */
  readonly number: number | undefined;
}

/** Which traffic goes by which WANs. */
export interface PoliciesConfig {
  /** Without those that nothing leads to. */
  readonly used: readonly UsedPolicy[];
  /** All that were given as flags, also those that nothing leads to. */
  readonly given: readonly Policy[];
  readonly rules: readonly PolicyRule[];
  readonly sets: readonly NamedSet[];
  /** The stickiness of the policy `default`. */
  readonly sticky: Sticky | undefined;
}

export interface PoliciesContext {
  readonly wans: readonly Wan[];
  readonly lastResort: LastResort;
  readonly fields: MarkFields;
  /** The numbers that policies have had since `up`, by name. */
  readonly remembered: ReadonlyMap<string, number>;
}

/** The policies that keep their clients on their WANs, by name, with `default` among them. */
export function stickyPolicies({
  sticky,
  used,
}: Pick<PoliciesConfig, 'sticky' | 'used'>): ReadonlyMap<string, Sticky> {
  return new Map(
    [{ name: DEFAULT_POLICY, sticky }, ...used].flatMap((one) =>
      one.sticky === undefined ? [] : [[one.name, one.sticky] as const],
    ),
  );
}

/**
 * Whether rules hold in a family that no WAN carries: one of them names it and leads to a policy that refuses. Otherwise such
 * a family is left alone.
 */
export function refusesFamily(
  { used, rules }: Pick<PoliciesConfig, 'used' | 'rules'>,
  family: Family,
): boolean {
  const refuses = (name: string): boolean => {
    const none = used.find((policy) => policy.name === name)?.none ?? 'main';
    return typeof none === 'string' ? none !== 'main' : refuses(none.policy);
  };
  return rules.some(({ match, policy }) => match.family === family && refuses(policy));
}

/** @throws UsageError */
export function parsePoliciesConfig(raw: RawConfig, context: PoliciesContext): PoliciesConfig {
  const { wans, lastResort, fields } = context;
  const lists = { policy: readList(raw, 'policy'), rule: readList(raw, 'rule'), set: readList(raw, 'set') };
  const given = { ...lists, sticky: readList(raw, 'sticky') };
  const [key] = Object.entries(given).find(([, list]) => list.length > 0) ?? [];
  if (key !== undefined && wans.length === 0)
    throw new UsageError(
      `--${key} is for connections by WANs; add --wan NAME,dev=DEVICE for each, or leave it out`,
    );
  const forConnections = (['rule', 'sticky'] as const).find((one) => given[one].length > 0);
  if (forConnections !== undefined && raw.per === 'packet')
    throw new UsageError(`--${forConnections} is for connections; with --per packet leave it out`);
  const policies = parsePolicies(lists.policy, wans, lastResort);
  const sticky = parseSticky('--sticky', raw.sticky);
  if (sticky !== undefined || [...policies.values()].some((one) => one.sticky !== undefined))
    rejectHighMarks(wans);
  const sets = parseSets(lists.set);
  const rules = parsePolicyRules(lists.rule, {
    policies: [DEFAULT_POLICY, DIRECT, ...policies.keys()],
    sets: sets.map(({ name }) => name),
    ours: (fields.wans.mask | (readList(raw, 'service').length > 0 ? fields.backends.mask : 0)) >>> 0,
  });
  return Object.freeze({
    used: Object.freeze(rules.length === 0 ? [] : usedPolicies(rules, policies, context)),
    // Those of the user's come last.
    given: Object.freeze([...policies.values()].slice(policies.size - lists.policy.length)),
    rules,
    sets,
    sticky,
  });
}

/** The kernel's sets of clients are named by policy and number, and the kernel takes 31 bytes. */
const MOST_STICKY_MARK = 36 ** 4 - 1;

function rejectHighMarks(wans: readonly Wan[]): void {
  const wan = wans.find(({ mark }) => mark > MOST_STICKY_MARK);
  if (wan === undefined) return;
  throw new UsageError(
    `sticky takes marks up to ${MOST_STICKY_MARK}, and WAN "${wan.name}" has ${wan.mark}; give it a lower one`,
  );
}

function usedPolicies(
  rules: readonly PolicyRule[],
  policies: ReadonlyMap<string, Policy>,
  context: PoliciesContext,
): UsedPolicy[] {
  const ruled = rules.map(({ policy }) => policy).filter((name) => policies.has(name));
  const used = new Set(ruled);
  const refusals = new Set<string>();
  for (const name of used) {
    const { none } = policies.get(name)!;
    if (typeof none !== 'string' && policies.has(none.policy)) used.add(none.policy);
    // What is refused has the mark of the refusal, whose ip rule stays when WANs come and go.
    const end =
      typeof none === 'string' ? none : none.policy === DEFAULT_POLICY ? context.lastResort : 'main';
    if (end === 'main') continue;
    used.add(end);
    refusals.add(end);
  }
  const numbers = assignPolicyNumbers([...new Set([...ruled, ...refusals])], context);
  return [...used].map((name) => Object.freeze({ ...policies.get(name)!, number: numbers.get(name) }));
}

/**
 * Numbers from the top of the field down, below the two that have a meaning of their own, and above every WAN's, so that
 * one comparison tells a policy from a WAN. A policy keeps its number, and one that is gone leaves it to others last: the
 * rules, and a daemon that was started before or after them, must mean the same by it.
 */
function assignPolicyNumbers(
  names: readonly string[],
  { wans, fields, remembered }: PoliciesContext,
): ReadonlyMap<string, number> {
  const numbers = new Map<string, number>();
  const top = highestPolicyNumber(fields.wans);
  const highest = wans.reduce((a, b) => (b.mark > a.mark ? b : a));
  const room = top - highest.mark;
  if (names.length > room) {
    throw new UsageError(
      `${names.length} policies do not fit the mask beside WAN "${highest.name}" with mark ${highest.mark}, which leaves ` +
        `room for ${Math.max(0, room)}; use a wider --mask`,
    );
  }
  const taken = new Set<number>();
  for (const name of names) {
    const before = remembered.get(name);
    if (before === undefined || before > top || before <= highest.mark || taken.has(before)) continue;
    numbers.set(name, before);
    taken.add(before);
  }
  const retired = new Set(remembered.values());
  // A field may hold 2^32 numbers, so they are never all listed.
  const near = Math.min(room, names.length + remembered.size);
  const free = Array.from({ length: near }, (_, i) => top - i).filter((number) => !taken.has(number));
  const order = [...free.filter((one) => !retired.has(one)), ...free.filter((one) => retired.has(one))];
  for (const name of names) if (!numbers.has(name)) numbers.set(name, order.shift()!);
  return new Map(names.map((name) => [name, numbers.get(name)!]));
}

/** The field's highest number says that no WAN is up, the next one that the daemon is asked. */
function highestPolicyNumber({ max }: MarkField): number {
  return max - 2;
}

/**
 * The lowest number of a policy, from which on a number in the field is a policy's; undefined without rules that lead to
 * one.
 */
export function lowestPolicyNumber({ used }: Pick<PoliciesConfig, 'used'>): number | undefined {
  const numbers = used.flatMap(({ number }) => number ?? []);
  return numbers.length === 0 ? undefined : Math.min(...numbers);
}
