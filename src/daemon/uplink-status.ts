import type {
  AwaitedCheck,
  CheckStatus,
  FamilyStatus,
  JudgedStatus,
  MemberStatus,
} from '../control/status.js';
import type { Member } from '../core/member.js';
import type { Standing, States } from '../core/states.js';
import { type Target, targetId } from '../core/target.js';
import { systemClock } from '../wan/clock.js';
import type { CheckReport } from '../wan/monitor.js';

/**
 * A target's state over all families, with reason and time. When up, it shows the family that has been up longest, when
 * suspected the one that has been for longest, when down the one that went down last.
 */
export function uplinkStatus(
  { name, families: carried }: Target,
  states: Pick<States, 'state' | 'suspicion' | 'changes'>,
): Pick<JudgedStatus, 'since' | 'reason' | 'upAt' | 'families'> {
  const all = carried.map((family) => {
    const id = targetId(name, family);
    const { up, since, reason, heldUntil } = states.state(id);
    const changes = states.changes(id);
    const suspicion = up ? states.suspicion(id) : undefined;
    if (suspicion !== undefined)
      return { family, state: 'suspected' as const, ...suspicion, upAt: null, changes };
    const state: FamilyStatus['state'] = up ? 'up' : 'down';
    return { family, state, since, reason: reason + wait(heldUntil), upAt: upAt(heldUntil), changes };
  });
  const bySince = all.toSorted((a, b) => a.since - b.since);
  const shown =
    bySince.find(({ state }) => state === 'up') ??
    bySince.find(({ state }) => state === 'suspected') ??
    bySince.at(-1)!;
  const families = all.map(
    (one): FamilyStatus => ({
      ...one,
      since: sinceDate(one.since).toISOString(),
    }),
  );
  const { since, reason } = shown;
  return { since: sinceDate(since).toISOString(), reason, upAt: shown.upAt, families };
}

/** What its checks tell of a member. */
export interface Checks {
  /** See {@link Monitor.latest}. */
  readonly reports: readonly CheckReport[];
  /** See {@link Monitor.awaited}. */
  readonly awaited: readonly Pick<CheckReport, 'config' | 'family'>[];
}

/** All that is known of a member, as status shows it. */
export function judgedStatus(
  line: MemberStatus,
  { target, configured }: Member,
  states: States,
  { reports, awaited }: Checks,
): JudgedStatus {
  const warmUp = Math.min(...target.families.map((family) => states.warmUp(targetId(target.name, family))));
  return {
    ...line,
    ...(line.weight === configured.weight ? {} : { configuredWeight: configured.weight }),
    ...(states.isByHand(target.name) ? { setState: 'down' as const } : {}),
    ...drained(line.state, uplinkStatus(target, states), states.weighedSince(target.name)),
    checks: checkStatus(reports),
    ...(awaited.length > 0 ? { awaited: awaited.map(whichCheck) } : {}),
    warmUp: warmUp === 1 ? null : warmUp,
  };
}

/**
 * Gives a target that drains, or has ended to drain, the time and reason of that, which its weight decides and nothing
 * that was found.
 * @param weighedSince when its weight last changed from or to 0, in milliseconds of the clock
 */
export function drained<Line extends Pick<JudgedStatus, 'since' | 'reason'>>(
  standing: Standing,
  line: Line,
  weighedSince: number | undefined,
): Line {
  const reason = standing === 'drain' ? 'weight 0' : line.reason;
  if (weighedSince === undefined || standing === 'down' || standing === 'suspected')
    return { ...line, reason };
  const weighed = sinceDate(weighedSince).toISOString();
  return { ...line, reason, since: weighed > line.since ? weighed : line.since };
}

/** The last rounds of checks, as status shows them. */
export function checkStatus(reports: readonly CheckReport[]): CheckStatus[] {
  return reports.map(({ config, family, at, answered, rttMs, loss, unknown, probes }) => ({
    ...whichCheck({ config, family }),
    at: sinceDate(at).toISOString(),
    answered,
    rttMs: rttMs === undefined ? null : Math.round(10 * rttMs) / 10,
    loss: Math.round(10 * loss) / 1000,
    unknown: unknown ?? null,
    probes: config.targets[family].map((target, i) => ({ target, ...probes[i]! })),
  }));
}

function whichCheck({ config, family }: Pick<CheckReport, 'config' | 'family'>): AwaitedCheck {
  return { kind: config.kind, family, targets: config.targets[family] };
}

function wait(heldUntil: number | undefined): string {
  if (heldUntil === undefined) return '';
  return `; works again, up in ${Math.max(0, Math.ceil((heldUntil - systemClock.now()) / 1000))} s`;
}

function upAt(heldUntil: number | undefined): string | null {
  return heldUntil === undefined ? null : sinceDate(heldUntil).toISOString();
}

/** Turns a moment of the monotonic clock, as in {@link TargetState.since}, into a date. */
export function sinceDate(since: number): Date {
  return new Date(Date.now() - (systemClock.now() - since));
}
