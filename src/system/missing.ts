import type { Lists } from '../plan/render/lists.js';
import type { Missing } from './executor.js';

/**
 * Whether something missing should be there. A rule or route should only while it is still asked for; anything that the
 * kernel removes with a device, only while the device is not excused.
 */
export function isWanted(missing: Missing, want: Lists, excused: ReadonlySet<string>): boolean {
  if ('rule' in missing) return (want.get(`rules${missing.family}`) ?? []).includes(missing.rule);
  if ('route' in missing) {
    const device = / dev (\S+)/.exec(missing.route)?.[1];
    const wanted = (want.get(`routes${missing.family}`) ?? []).includes(missing.route);
    return wanted && !(device !== undefined && excused.has(device));
  }
  if ('setting' in missing) {
    const { device, setting } = missing;
    const wanted = (want.get('settings') ?? []).some((line) => line.startsWith(`${device} ${setting} `));
    return wanted && !excused.has(device);
  }
  return true;
}

/** One line for each table, ip rule, route and setting. */
export function missingLines(all: readonly Missing[]): string[] {
  const tables = new Map<string, string[]>();
  const lines: string[] = [];
  for (const missing of all) {
    if ('table' in missing) {
      const table = `${missing.program} ${missing.table}`;
      tables.set(table, [...(tables.get(table) ?? []), missing.what]);
    } else if ('rule' in missing) lines.push(`ip -${missing.family} rule ${missing.rule}`);
    else if ('route' in missing) lines.push(`ip -${missing.family} route ${missing.route}`);
    else lines.push(`sysctl ${missing.setting} of ${missing.device}`);
  }
  return [...[...tables].map(([table, what]) => `${table}: ${what.join(', ')}`), ...lines];
}
