import type { FamilyStatus, WanStatus } from '../control/status.js';
import { FAMILIES, type Family } from '../core/family.js';
import { carries, type Wan } from '../core/wan.js';
import { systemClock } from '../wan/clock.js';
import { type HealthState, NOT_CHECKED } from '../wan/health.js';

/** Who knows the state of a WAN. */
export interface States {
  state(wan: Wan, family: Family): HealthState;
}

/**
 * Since when and why a WAN is as it is. It is up with the family that has been longest, and down since the last of them
 * went.
 */
export function uplinkStatus(
  wan: Wan,
  states: States | undefined,
): Pick<WanStatus, 'since' | 'reason' | 'upAt' | 'families'> {
  const all = FAMILIES.filter((family) => carries(wan, family)).map((family) => {
    const { up, since, reason, heldUntil } = states?.state(wan, family) ?? NOT_CHECKED;
    return { family, up, since, reason: reason + wait(heldUntil), upAt: upAt(heldUntil) };
  });
  const bySince = all.toSorted((a, b) => a.since - b.since);
  const shown = bySince.find(({ up }) => up) ?? bySince.at(-1)!;
  const families = all.map(
    (one): FamilyStatus => ({
      family: one.family,
      state: one.up ? 'up' : 'down',
      since: sinceDate(one.since).toISOString(),
      reason: one.reason,
      upAt: one.upAt,
    }),
  );
  const { since, reason } = shown;
  return { since: sinceDate(since).toISOString(), reason, upAt: shown.upAt, families };
}

function wait(heldUntil: number | undefined): string {
  if (heldUntil === undefined) return '';
  return `; works again, up in ${Math.max(0, Math.ceil((heldUntil - systemClock.now()) / 1000))} s`;
}

function upAt(heldUntil: number | undefined): string | null {
  return heldUntil === undefined ? null : sinceDate(heldUntil).toISOString();
}

/** The date of a moment of the system clock in {@link HealthState.since}. */
export function sinceDate(since: number): Date {
  return new Date(Date.now() - (systemClock.now() - since));
}
