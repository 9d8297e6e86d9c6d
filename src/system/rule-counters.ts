import { uptime } from 'node:os';
import type { Config } from '../config/config.js';
import { FAMILIES, type Family } from '../core/family.js';
import { SystemError } from '../errors.js';
import type { Steps } from '../plan/diff/steps.js';
import type { Lists } from '../plan/render/lists.js';
import type { Counting, Installed } from './installed.js';
import { type Run, run as runCommand } from './run.js';

/** What a rule of the configuration took. */
export interface RuleCount {
  /**
   * The connections that it led somewhere. Only what begins one meets a rule: what belongs to a connection that has its WAN
   * goes by that. A connection that has none, by `direct` or since it is refused, is counted at each packet that it
   * sends before an answer, and one whose packets come faster than the first decision at each of these.
   */
  readonly connections: number;
  /** The packets that met it, by which `connections` are counted. */
  readonly packets: number;
  readonly bytes: number;
  /**
   * Since when, in seconds since the machine's start. Where several chains of the kernel have the rule, it is the time
   * at which the last of them was written. Null where no chain has it, or an older version wrote one.
   */
  readonly since: number | null;
}

/** A rule of a policy with its counters, as iptables-save prints it; every line of one rule has its number. */
const COUNTED = /^\[(\d+):(\d+)\] -A (WANMARK_(?:POLICY\d*|OWN\d*|NEW|OUTNEW)) .*--comment "rule (\d+)"/;

/**
 * What each rule took, in the order of the configuration.
 * @throws SystemError where the kernel's rules cannot be read
 */
export async function readRuleCounts(
  { policies }: Pick<Config, 'policies'>,
  { firewall, counting }: Pick<Installed, 'firewall' | 'counting'>,
  run: Run = runCommand,
): Promise<RuleCount[]> {
  const texts = await Promise.all(FAMILIES.map((family) => saved(firewall.programs, family, run)));
  const lines = FAMILIES.flatMap((family, i) =>
    texts[i]!.split('\n').flatMap((line) => {
      const [, packets, bytes, chain, number] = COUNTED.exec(line) ?? [];
      if (number === undefined) return [];
      const since = counting.get(`${family} ${chain}`) ?? null;
      return [{ rule: Number(number), packets: Number(packets), bytes: Number(bytes), since }];
    }),
  );
  return policies.rules.map((_, i) => {
    const those = lines.filter(({ rule }) => rule === i + 1);
    const packets = those.reduce((sum, one) => sum + one.packets, 0);
    return {
      connections: packets,
      packets,
      bytes: those.reduce((sum, { bytes }) => sum + bytes, 0),
      since: latest(those.map(({ since }) => since)),
    };
  });
}

/** Null where one of them is not known, or there is none. */
function latest(times: readonly (number | null)[]): number | null {
  const known = times.filter((time) => time !== null);
  return known.length === 0 || known.length < times.length ? null : Math.max(...known);
}

/** A rule's line in a plan's table, with its chain. */
const WRITTEN = /^-A (WANMARK\w*) .*--comment "rule \d+"/;

/**
 * When the counters of each chain with rules began, once these steps are done: a chain that they write begins at zero, and
 * every other one goes on.
 * @param now in seconds since the machine's start
 */
export function countingAfter(before: Counting, steps: Steps, want: Lists, now = uptime()): Counting {
  const all = FAMILIES.flatMap((family) => {
    const tables = steps.get(`${family}.tables`) ?? [];
    const start = tables.indexOf('*mangle');
    const mangle = start === -1 ? [] : tables.slice(start, tables.indexOf('COMMIT', start));
    const written = new Set(mangle.map((line) => /^:(\S+) /.exec(line)?.[1]));
    const chains = new Set(
      (want.get(`${family}.mangle`) ?? []).flatMap((line) => WRITTEN.exec(line)?.[1] ?? []),
    );
    return [...chains].flatMap((chain) => {
      const key = `${family} ${chain}`;
      const since = written.has(chain) ? now : before.get(key);
      return since === undefined ? [] : [[key, since] as const];
    });
  });
  return new Map(all);
}

async function saved(programs: Readonly<Record<Family, string>>, family: Family, run: Run): Promise<string> {
  const argv = [`${programs[family]}-save`, '-c', '-t', 'mangle'] as const;
  const { code, stdout, stderr } = await run(argv);
  // A router without IPv6 has no rules there.
  if (code === 0 || family === 6) return stdout;
  throw new SystemError('NO_COUNTERS', `'${argv.join(' ')}' failed: ${stderr.trim().split('\n', 1)[0]}`);
}
