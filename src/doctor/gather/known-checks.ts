import { type CheckConfig, parseCheck } from '../../config/check.js';
import type { Config } from '../../config/config.js';
import type { Status } from '../../control/status.js';
import { FAMILIES } from '../../core/family.js';
import { carries } from '../../core/wan.js';
import { UsageError } from '../../errors.js';

/**
 * The checks of the WANs, and of the servers: those of the configuration where it was given, or else those that the
 * running daemon reports. It does not report all that a check asks for, so any status of a page will do then.
 * @returns undefined where nobody knows them
 */
export function knownChecks(
  { health, rules }: Pick<Config, 'health' | 'rules'>,
  isGiven: boolean,
  daemon: Status | undefined,
): readonly CheckConfig[] | undefined {
  if (isGiven) return [...health.checks, ...health.serverChecks];
  if (daemon !== undefined) return reported(daemon);
  // Nobody checks without a daemon.
  return rules.engine === 'kernel' ? [] : undefined;
}

function reported({ wans }: Status): CheckConfig[] {
  return wans.flatMap(({ name, checks, awaited = [] }) =>
    [...checks, ...awaited].flatMap(({ kind, family, targets }) => {
      if (kind === 'script') return [];
      try {
        const record = { wan: name, check: kind, family: String(family), to: [...targets] };
        return parseCheck(kind === 'http' ? { ...record, status: 'any' } : record);
      } catch (error) {
        // A newer daemon may know more kinds.
        if (error instanceof UsageError) return [];
        throw error;
      }
    }),
  );
}

/** The WANs with a family that no check judges. A script counts, wherever it is known from. */
export function uncheckedWans(
  wans: Config['wans'],
  checks: readonly CheckConfig[],
  daemon: Status | undefined,
): string[] {
  return wans.flatMap((wan) => {
    const shown = daemon?.wans.find(({ name }) => name === wan.name);
    const scripts = [...(shown?.checks ?? []), ...(shown?.awaited ?? [])];
    const carried = FAMILIES.filter((family) => carries(wan, family));
    const bare = carried.filter(
      (family) =>
        !checks.some(
          (one) => (one.wan === 'all' || one.wan === wan.name) && one.targets[family].length > 0,
        ) && !scripts.some((one) => one.family === family),
    );
    if (bare.length === 0) return [];
    return bare.length === carried.length ? [wan.name] : bare.map((family) => `${wan.name} (IPv${family})`);
  });
}
