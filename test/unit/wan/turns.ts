import type { HealthChange } from '#wanmark/wan/health.js';

/** A listener for a health's states that passes on only those that differ from the one before in being up. */
export function onTurn(told: (change: HealthChange) => void): (change: HealthChange) => void {
  const up = new Map<string, boolean>();
  return (change) => {
    const key = `${change.wan}/${change.family}`;
    const was = up.get(key) ?? true;
    up.set(key, change.up);
    if (change.up !== was) told(change);
  };
}
