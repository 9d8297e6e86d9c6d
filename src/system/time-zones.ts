import type { PolicyRule } from '../config/rule.js';

/**
 * How many minutes the time zones of rules are before UTC at a moment, by name. The kernel's own idea of the local time
 * does not follow the clock changes (iptables-extensions(8), --kerneltz), so rules are written in UTC.
 */
export function readTimeZones(rules: readonly PolicyRule[], now = new Date()): ReadonlyMap<string, number> {
  const zones = new Set(rules.flatMap(({ match }) => match.time?.zone ?? []));
  return new Map([...zones].map((zone) => [zone, minutesAhead(zone, now)]));
}

function minutesAhead(zone: string, now: Date): number {
  if (zone === 'utc') return 0;
  if (zone === 'local') return -now.getTimezoneOffset();
  const parts = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' }).formatToParts(
    now,
  );
  const name = parts.find(({ type }) => type === 'timeZoneName')?.value ?? '';
  const [, sign, hours, minutes] = /([+-])(\d\d):(\d\d)/.exec(name) ?? [];
  const ahead = Number(hours ?? 0) * 60 + Number(minutes ?? 0);
  return sign === '-' ? -ahead : ahead;
}
