import type { Family } from '../core/family.js';
import { type TargetId, targetId } from '../core/target.js';
import { type Wan, wanTarget } from '../core/wan.js';
import { UsageError } from '../errors.js';
import type { CheckConfig } from './check.js';
import { parseChecks } from './checks.js';
import type { RawConfig } from './options.js';
import { readChoice, readInteger, readList } from './raw.js';
import type { TargetLists } from './targets.js';

/** How WANs are judged, and what happens to connections when a WAN goes down or comes up. */
export interface HealthConfig {
  /** How WANs are probed; may be empty. */
  readonly checks: readonly CheckConfig[];
  /** How backends are probed, each by its name as a target; may be empty. */
  readonly serverChecks: readonly CheckConfig[];
  /** The connections that are cut when their WAN goes down; those that were never answered are cut in any case. */
  readonly onDown: 'all' | 'udp' | 'none';
  /** How long a WAN that was down must work without a break until it is up, 0..3600000. */
  readonly upAfterMs: number;
  /** How long a WAN that came up takes to get its full share, 0..3600000; with 0 it gets it at once. */
  readonly slowStartMs: number;
  /**
   * The connections that a WAN takes back when it comes up, from WANs that are not candidates any more; see `Mover`.
   */
  readonly onUp: 'none' | 'udp' | 'all';
  /** Whether a TCP connection that its WAN does not answer gets another one with its next SYN. */
  readonly secondChance: boolean;
  /**
   * What clients' connections can do to a WAN: nothing; take new ones elsewhere while it does not answer; or, when asking
   * confirms it, have it treated as down.
   */
  readonly passive: 'off' | 'avoid' | 'on';
  /** Whether destinations that clients reached lately may be asked for an answer when a WAN is in doubt. */
  readonly probeClientsDestinations: boolean;
}

/**
 * What is down until its checks have passed once: the WANs that start down, in each family that a check judges. Without a
 * check nobody could say that it is up.
 */
export function startsDown(wans: readonly Wan[], checks: HealthConfig['checks']): ReadonlySet<TargetId> {
  const waiting = wans.filter((wan) => wan.startsDown);
  const isJudged = (name: string, family: Family) =>
    checks.some(({ wan, targets }) => (wan === 'all' || wan === name) && targets[family].length > 0);
  return new Set(
    waiting.flatMap((wan) =>
      wanTarget(wan)
        .families.filter((family) => isJudged(wan.name, family))
        .map((family) => targetId(wan.name, family)),
    ),
  );
}

/** @throws UsageError for a WAN that starts down and has no check that could bring it up */
export function rejectUncheckedStart({
  wans,
  health,
}: Pick<TargetLists, 'wans'> & { readonly health: HealthConfig }): void {
  const down = startsDown(wans, health.checks);
  const unchecked = wans.find(
    (wan) =>
      wan.startsDown && !wanTarget(wan).families.some((family) => down.has(targetId(wan.name, family))),
  );
  if (unchecked === undefined) return;
  throw new UsageError(
    `WAN "${unchecked.name}" has initial=down and no check that could find it up; add --check ${unchecked.name}=ping,to=ADDRESS, or leave initial out`,
  );
}

/** @throws UsageError */
export function parseHealth(raw: RawConfig, { wans, services }: TargetLists): HealthConfig {
  const list = readList(raw, 'check');
  if (list.length > 0 && wans.length === 0 && services.length === 0)
    throw new UsageError('--check is for the uplinks of --wan and for services; leave it out, or add them');
  const names = wans.map((wan) => wan.name);
  const checks = parseChecks(list, names, services);
  return Object.freeze({
    checks: checks.wans,
    serverChecks: checks.backends,
    onDown: readChoice(raw, 'on-down', ['all', 'udp', 'none']),
    upAfterMs: 1000 * readInteger(raw, 'up-after'),
    slowStartMs: 1000 * readInteger(raw, 'slow-start'),
    onUp: readChoice(raw, 'on-up', ['none', 'udp', 'all']),
    secondChance: readChoice(raw, 'second-chance', ['on', 'off']) === 'on',
    passive: readChoice(raw, 'passive', ['off', 'avoid', 'on']),
    probeClientsDestinations: readChoice(raw, 'probe-clients-destinations', ['on', 'off']) === 'on',
  });
}
