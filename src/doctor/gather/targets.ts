import type { CheckConfig } from '../../config/check.js';
import { FAMILIES, type Family } from '../../core/family.js';
import type { Check, CheckPath } from '../../wan/check/check.js';
import { systemClock } from '../../wan/clock.js';
import { probeRepeatedly } from '../../wan/probes.js';
import type { TargetFacts } from '../facts.js';

/** How long a probe may take, whatever its check allows; a name has as much time to be resolved. */
const MOST_MS = 1500;
/** A script has to start programs. */
const MOST_SCRIPT_MS = 4000;
/** A single packet may be lost. */
const PROBES = 2;

/** The way by a WAN, or to a server; undefined where it has none. */
export type PathTo = (name: string, family: Family) => CheckPath | undefined;

/** Asks each target of each check by each WAN that it is for, all at once. @param wans those that `all` stands for */
export async function askTargets(
  checks: readonly CheckConfig[],
  wans: readonly string[],
  path: PathTo,
  make: (config: CheckConfig) => Check,
): Promise<TargetFacts[]> {
  const jobs = checks.flatMap((config) => {
    const check = make(config);
    return (config.wan === 'all' ? wans : [config.wan]).flatMap((wan) =>
      FAMILIES.flatMap((family) => {
        const way = path(wan, family);
        if (way === undefined) return [];
        return config.targets[family].map((target) => ask(config, check, way, target));
      }),
    );
  });
  return Promise.all(jobs);
}

async function ask(config: CheckConfig, check: Check, path: CheckPath, target: string): Promise<TargetFacts> {
  const { kind, quorum } = config;
  const isScript = kind === 'script';
  const timeoutMs = Math.min(config.timeoutMs, isScript ? MOST_SCRIPT_MS : MOST_MS);
  const { signal } = new AbortController();
  // A second run of a script would be beside the first.
  const count = isScript ? 1 : PROBES;
  const result = await probeRepeatedly(
    () => check(target, path, timeoutMs, signal),
    { count, timeoutMs },
    systemClock,
    signal,
  );
  return { wan: path.wan, family: path.family, check: { kind, quorum }, target, result };
}
