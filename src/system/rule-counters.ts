import { uptime } from 'node:os';
import type { Config } from '../config/config.js';
import { FAMILIES, type Family } from '../core/family.js';
import { SystemError } from '../errors.js';
import type { Steps } from '../plan/diff/steps.js';
import type { Lists } from '../plan/render/lists.js';
import { TABLE } from '../plan/render/nft/names.js';
import type { Firewall } from './firewall.js';
import type { Counting, Installed } from './installed.js';
import { readNftCounters } from './nft-counters.js';
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
  const counted = firewall.backend === 'nft' ? await inNft(run) : await inTables(firewall, run);
  const lines = counted.map((one) => ({ ...one, since: counting.get(one.place) ?? null }));
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

/** A line of a rule, with the family and the chain where it stands. */
interface Counted {
  readonly place: string;
  readonly rule: number;
  readonly packets: number;
  readonly bytes: number;
}

async function inTables({ programs }: Firewall, run: Run): Promise<Counted[]> {
  const texts = await Promise.all(FAMILIES.map((family) => saved(programs, family, run)));
  return FAMILIES.flatMap((family, i) =>
    texts[i]!.split('\n').flatMap((line) => {
      const [, packets, bytes, chain, number] = COUNTED.exec(line) ?? [];
      if (number === undefined) return [];
      const place = `${family} ${chain}`;
      return [{ place, rule: Number(number), packets: Number(packets), bytes: Number(bytes) }];
    }),
  );
}

async function inNft(run: Run): Promise<Counted[]> {
  const counters = await readNftCounters(run);
  if (counters === undefined)
    throw new SystemError('NO_COUNTERS', `'nft list table ${TABLE}' failed; run 'wanmark check'`);
  return counters.rules.flatMap(({ chain, ...counts }) => {
    const place = nftPlace(chain);
    return place === undefined ? [] : [{ ...counts, place }];
  });
}

/** A chain of mangle with its family, as {@link Counting} knows it. */
function nftPlace(chain: string): string | undefined {
  const [, family, name] = /^mangle([46])\.(WANMARK\S*)$/.exec(chain) ?? [];
  return name === undefined ? undefined : `${family} ${name}`;
}

/** Null where one of them is not known, or there is none. */
function latest(times: readonly (number | null)[]): number | null {
  const known = times.filter((time) => time !== null);
  return known.length === 0 || known.length < times.length ? null : Math.max(...known);
}

/** A rule's line in a plan's table, with its chain. */
const WRITTEN_NFT = /^rule (\S+) .* comment "rule \d+"$/;
const WRITTEN = /^-A (WANMARK\w*) .*--comment "rule \d+"/;

/**
 * When the counters of each chain with rules began, once these steps are done: a chain that they write begins at zero, and
 * every other one goes on.
 * @param now in seconds since the machine's start
 */
export function countingAfter(before: Counting, steps: Steps, want: Lists, now = uptime()): Counting {
  const tables = FAMILIES.flatMap((family) => {
    const lines = steps.get(`${family}.tables`) ?? [];
    const start = lines.indexOf('*mangle');
    const mangle = start === -1 ? [] : lines.slice(start, lines.indexOf('COMMIT', start));
    return mangle.flatMap((line) => /^:(\S+) /.exec(line)?.[1] ?? []).map((chain) => `${family} ${chain}`);
  });
  const nft = (steps.get('nft') ?? []).flatMap((line) => /^add rule inet \S+ (\S+) /.exec(line)?.[1] ?? []);
  const written = new Set([...tables, ...nft.flatMap((chain) => nftPlace(chain) ?? [])]);
  const all = new Set([
    ...FAMILIES.flatMap((family) =>
      (want.get(`${family}.mangle`) ?? [])
        .flatMap((line) => WRITTEN.exec(line)?.[1] ?? [])
        .map((chain) => `${family} ${chain}`),
    ),
    ...(want.get('nft') ?? []).flatMap((line) => nftPlace(WRITTEN_NFT.exec(line)?.[1] ?? '') ?? []),
  ]);
  return new Map(
    [...all].flatMap((place) => {
      const since = written.has(place) ? now : before.get(place);
      return since === undefined ? [] : [[place, since] as const];
    }),
  );
}

async function saved(programs: Readonly<Record<Family, string>>, family: Family, run: Run): Promise<string> {
  const argv = [`${programs[family]}-save`, '-c', '-t', 'mangle'] as const;
  const { code, stdout, stderr } = await run(argv);
  // A router without IPv6 has no rules there.
  if (code === 0 || family === 6) return stdout;
  throw new SystemError('NO_COUNTERS', `'${argv.join(' ')}' failed: ${stderr.trim().split('\n', 1)[0]}`);
}
