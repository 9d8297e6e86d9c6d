import type { Sticky } from '../core/stickiness.js';
import type { Wan } from '../core/wan.js';
import { UsageError } from '../errors.js';
import { POLICY_KEYS } from './keys.js';
import type { LastResort } from './last-resort.js';
import { suggestion } from './nearest.js';
import { parseInteger } from './number.js';
import { joinHash, rejectUnknownKeys, textOf, toRecord } from './record.js';
import { parseSticky, stickyText } from './sticky.js';
import { builtIn, isStrategyFile } from './strategy.js';
import { MAX_WEIGHT, NAME } from './wan.js';

/** A WAN in a policy. */
export interface PolicyMember {
  readonly wan: string;
  /** Share of the policy's new connections, relative to its other members: 1 to 65535. */
  readonly weight: number;
  /** Lower is preferred. */
  readonly tier: number;
}

/** By which WANs some connections go, how one of these is chosen, and what becomes of them when none is up. */
export interface Policy {
  readonly name: string;
  /** A built-in strategy's name or alias, or a file; undefined: the one of `--strategy`. */
  readonly strategy: string | undefined;
  /** The members in the order of the configuration; empty for `unreachable` and `blackhole`. */
  readonly members: readonly PolicyMember[];
  /** Where its connections go when no member is up. */
  readonly none: LastResort | { readonly policy: string };
  /** How its clients keep their WANs; undefined: each connection gets its own. */
  readonly sticky: Sticky | undefined;
}

/** The policy of what no rule is for: every WAN. */
export const DEFAULT_POLICY = 'default';
/** The policy of what nobody balances. */
export const DIRECT = 'direct';
/** The names that a policy of the user's cannot have. */
const RESERVED = [DEFAULT_POLICY, DIRECT, 'unreachable', 'blackhole', 'main'];

/**
 * All the policies that there are by name, apart from `default` and `direct`: those of the user's, one for each WAN, and
 * those that refuse.
 * @throws UsageError
 */
export function parsePolicies(
  raw: readonly unknown[],
  wans: readonly Wan[],
  lastResort: LastResort,
): ReadonlyMap<string, Policy> {
  const refusals = (['unreachable', 'blackhole'] as const).map((name) => ({
    name,
    strategy: undefined,
    members: [],
    none: name,
    sticky: undefined,
  }));
  const ways = wans.map(({ name }): Policy => only(name));
  const policies = new Map<string, Policy>(
    [...refusals, ...ways].map((one) => [one.name, Object.freeze(one)]),
  );
  for (const item of raw) {
    const policy = parsePolicy(toRecord('policy', joinHash(item)), wans, lastResort);
    if (policies.has(policy.name)) throw new UsageError(taken(policy.name, wans));
    policies.set(policy.name, policy);
  }
  for (const policy of policies.values()) rejectStrayNone(policy, policies);
  return policies;
}

/** The policy that has the name of a WAN. */
function only(wan: string): Policy {
  return {
    name: wan,
    strategy: undefined,
    members: [{ wan, weight: 1, tier: 1 }],
    none: 'unreachable',
    sticky: undefined,
  };
}

function taken(name: string, wans: readonly Wan[]): string {
  if (wans.some((wan) => wan.name === name))
    return `policy "${name}" has the name of a WAN, which is a policy of that one member; give it another name`;
  return `two policies are named "${name}"; give each its own name`;
}

function parsePolicy(
  record: Readonly<Record<string, unknown>>,
  wans: readonly Wan[],
  lastResort: LastResort,
): Policy {
  const name = textOf(record, 'name') ?? '';
  if (!NAME.test(name))
    throw new UsageError(
      `policy name "${name}" must be 1 to 15 letters, digits, dots, dashes or underscores`,
    );
  if (RESERVED.includes(name))
    throw new UsageError(`policy "${name}" is always there and cannot be another; give yours another name`);
  const where = `policy "${name}"`;
  rejectUnknownKeys(where, record, Object.keys(POLICY_KEYS));
  const strategy = textOf(record, 'strategy');
  if (strategy !== undefined && !isStrategyFile(strategy)) checkBuiltIn(where, strategy);
  return Object.freeze({
    name,
    strategy,
    members: parseMembers(where, record.use, wans),
    none: parseNone(textOf(record, 'none') ?? lastResort),
    sticky: parseSticky(where, record.sticky),
  });
}

function checkBuiltIn(where: string, strategy: string): void {
  try {
    builtIn(strategy);
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${where}: ${error.message}`, { cause: error });
    throw error;
  }
}

function parseNone(text: string): Policy['none'] {
  if (text === 'main' || text === 'unreachable' || text === 'blackhole') return text;
  return text === DIRECT ? 'main' : { policy: text };
}

function parseMembers(where: string, use: unknown, wans: readonly Wan[]): readonly PolicyMember[] {
  if (use === undefined || use === null || use === '')
    throw new UsageError(`${where} uses no WAN; add use=WAN+WAN:tier=2`);
  const items = Array.isArray(use) ? use : typeof use === 'object' ? [use] : String(use).split('+');
  const members = items.map((item) => parseMember(where, item, wans));
  const twin = members.find(({ wan }, i) => members.findIndex((one) => one.wan === wan) !== i);
  if (twin !== undefined) throw new UsageError(`${where} uses ${twin.wan} twice; use it once, with a weight`);
  return Object.freeze(members);
}

/** Reads `lte:tier=2:weight=3`, or a map of `wan` and the same keys. */
function parseMember(where: string, item: unknown, wans: readonly Wan[]): PolicyMember {
  const record = memberRecord(where, item);
  const keys = ['wan', 'weight', 'tier'];
  rejectUnknownKeys(`${where}: use`, record, keys);
  const wan = textOf(record, 'wan') ?? '';
  const names = wans.map(({ name }) => name);
  if (!names.includes(wan))
    throw new UsageError(`${where} uses unknown WAN "${wan}"${suggestion(wan, names)}`);
  const number = (key: string) =>
    parseInteger(`${where}: ${key} of ${wan}`, textOf(record, key) ?? '1', 1, MAX_WEIGHT);
  return Object.freeze({ wan, weight: number('weight'), tier: number('tier') });
}

function memberRecord(where: string, item: unknown): Readonly<Record<string, unknown>> {
  if (typeof item === 'object' && item !== null && !Array.isArray(item))
    return item as Record<string, unknown>;
  const [wan = '', ...pairs] = String(item).split(':');
  return Object.fromEntries([
    ['wan', wan],
    ...pairs.map((pair) => {
      const [key = '', value] = pair.split('=', 2);
      if (value === undefined)
        throw new UsageError(
          `${where}: "${pair}" of ${wan} is not key=value; write for example ${wan}:tier=2`,
        );
      return [key, value];
    }),
  ]);
}

/** @throws UsageError where `none` names no policy, or leads back to where it began */
function rejectStrayNone(policy: Policy, policies: ReadonlyMap<string, Policy>): void {
  const way = [policy.name];
  for (let { none } = policy; typeof none !== 'string' && none.policy !== DEFAULT_POLICY; ) {
    const next = policies.get(none.policy);
    if (next === undefined) {
      const names = ['main', DEFAULT_POLICY, ...policies.keys()];
      throw new UsageError(
        `policy "${way.at(-1)}": none "${none.policy}" is no policy${suggestion(none.policy, names)}`,
      );
    }
    if (way.includes(next.name)) {
      const circle = [...way.slice(way.indexOf(next.name)), next.name].join(' -> ');
      throw new UsageError(
        `policy "${policy.name}": none leads in a circle, ${circle}; end it with main or unreachable`,
      );
    }
    way.push(next.name);
    none = next.none;
  }
}

/** The policy as a flag, without what is left to defaults. */
export function policyText({ name, strategy, members, none, sticky }: Policy): string {
  const use = members.map(({ wan, weight, tier }) =>
    [wan, ...(weight === 1 ? [] : [`weight=${weight}`]), ...(tier === 1 ? [] : [`tier=${tier}`])].join(':'),
  );
  return [
    name,
    `use=${use.join('+')}`,
    ...(strategy === undefined ? [] : [`strategy=${strategy}`]),
    `none=${typeof none === 'string' ? none : none.policy}`,
    ...(sticky === undefined ? [] : [`sticky=${stickyText(sticky)}`]),
  ].join(',');
}
