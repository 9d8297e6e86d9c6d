import type { Config } from '../config/config.js';
import { FAMILIES, type Family } from '../core/family.js';
import { SystemError } from '../errors.js';
import type { Installed } from './installed.js';
import { type Run, run as runCommand } from './run.js';

/** What a rule of the configuration took since the kernel's rules were last written. */
export interface RuleCount {
  readonly packets: number;
  readonly bytes: number;
}

/** A rule of a policy with its counters, as iptables-save prints it; every line of one rule has its number. */
const COUNTED = /^\[(\d+):(\d+)\] -A WANMARK_(?:POLICY\d*|OWN\d*|NEW|OUTNEW) .*--comment "rule (\d+)"/;

/**
 * What each rule took, in the order of the configuration. A new connection is one packet; one without an answer may be
 * several.
 * @throws SystemError where the kernel's rules cannot be read
 */
export async function readRuleCounts(
  { policies }: Pick<Config, 'policies'>,
  { firewall }: Pick<Installed, 'firewall'>,
  run: Run = runCommand,
): Promise<RuleCount[]> {
  const texts = await Promise.all(FAMILIES.map((family) => saved(firewall.programs, family, run)));
  const counts = policies.rules.map(() => ({ packets: 0, bytes: 0 }));
  for (const line of texts.join('\n').split('\n')) {
    const [, packets, bytes, number] = COUNTED.exec(line) ?? [];
    const count = counts[Number(number) - 1];
    if (count === undefined) continue;
    count.packets += Number(packets);
    count.bytes += Number(bytes);
  }
  return counts;
}

async function saved(programs: Readonly<Record<Family, string>>, family: Family, run: Run): Promise<string> {
  const argv = [`${programs[family]}-save`, '-c', '-t', 'mangle'] as const;
  const { code, stdout, stderr } = await run(argv);
  // A router without IPv6 has no rules there.
  if (code === 0 || family === 6) return stdout;
  throw new SystemError('NO_COUNTERS', `'${argv.join(' ')}' failed: ${stderr.trim().split('\n', 1)[0]}`);
}
