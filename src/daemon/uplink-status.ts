import { carries, type Wan } from '../core/wan.js';
import { systemClock } from '../wan/clock.js';
import { type HealthState, NOT_CHECKED } from '../wan/health.js';
import type { FamilyStatus, WanStatus } from './status.js';

const FAMILIES = [4, 6] as const;

/** Who knows the state of a WAN. */
export interface States {
  state(wan: Wan, family: 4 | 6): HealthState;
}

/**
 * Since when and why a WAN is as it is. It is up with the family that has been longest, and down since the last of them
 * went.
 */
export function uplinkStatus(
  wan: Wan,
  states: States | undefined,
): Pick<WanStatus, 'since' | 'reason' | 'families'> {
  const all = FAMILIES.filter((family) => carries(wan, family)).map((family) => {
    const { up, since, reason } = states?.state(wan, family) ?? NOT_CHECKED;
    return { family, up, since, reason };
  });
  const bySince = all.toSorted((a, b) => a.since - b.since);
  const { since, reason } = bySince.find(({ up }) => up) ?? bySince.at(-1)!;
  const families = all.map(
    (one): FamilyStatus => ({
      family: one.family,
      state: one.up ? 'up' : 'down',
      since: sinceDate(one.since).toISOString(),
      reason: one.reason,
    }),
  );
  return { since: sinceDate(since).toISOString(), reason, families };
}

/** The date of a moment of the system clock in {@link HealthState.since}. */
export function sinceDate(since: number): Date {
  return new Date(Date.now() - (systemClock.now() - since));
}
