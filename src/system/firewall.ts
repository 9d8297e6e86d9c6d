import { FAMILIES, type Family } from '../core/family.js';
import { SystemError } from '../errors.js';
import type { Ipsec } from '../plan/facts.js';
import type { Backend } from '../plan/render/lists.js';
import { isInPath } from './executable.js';
import { readIpsec } from './ipsec.js';
import { hasLegacyTables } from './legacy-tables.js';
import { type Run, run as runCommand, SYSTEM_PATH } from './run.js';

/** The two variants of iptables: rules in nftables, or in the kernel's older tables. */
export type Variant = 'nft' | 'legacy';

/** The programs that the rules are made with. */
export interface Firewall {
  /** Those of iptables, which take rules of ours away also where nft has them. */
  readonly programs: Readonly<Record<Family, string>>;
  readonly variant: Variant;
  /** Who has the rules. Missing in what older versions kept: iptables. */
  readonly backend?: Backend | undefined;
  /** Missing in what older versions kept. */
  readonly ipsec?: Ipsec | undefined;
}

/** The programs that the environment names in IPTABLES and IP6TABLES. */
export function namedPrograms(environment: NodeJS.ProcessEnv = process.env): Firewall['programs'] {
  return { 4: environment.IPTABLES || 'iptables', 6: environment.IP6TABLES || 'ip6tables' };
}

/**
 * Checks that the programs exist and are of one variant, and that the other variant holds no rules of ours.
 * @param families the families that rules are to be made for
 * @throws SystemError
 */
export async function findFirewall(families: readonly Family[], run: Run = runCommand): Promise<Firewall> {
  const programs = namedPrograms();
  for (const family of families) {
    for (const program of ['', '-save', '-restore'].map((end) => programs[family] + end)) {
      if (!isInstalled(program)) {
        throw new SystemError(
          'NO_IPTABLES',
          `${program} is not installed; apt-get install iptables, or use --backend nft`,
        );
      }
    }
  }
  const found = await Promise.all(
    families.map(async (family) => ({ family, variant: await variantOf(programs[family], run) })),
  );
  const [first, other] = found;
  if (first !== undefined && other !== undefined && first.variant !== other.variant) {
    throw new SystemError(
      'TWO_VARIANTS',
      `${programs[first.family]} is ${first.variant} and ${programs[other.family]} is ${other.variant}; ` +
        'set IPTABLES and IP6TABLES to the same variant',
    );
  }
  const variant = first?.variant ?? 'nft';
  const others = FAMILIES.filter((family) => variant === 'legacy' || hasLegacyTables(family));
  await Promise.all(others.map((family) => rejectRulesOf(counterpart(programs[family], variant), run)));
  return {
    programs,
    variant,
    ipsec: await readIpsec(
      families.map((family) => programs[family]),
      run,
    ),
  };
}

function isInstalled(program: string): boolean {
  return program.includes('/') ? isInPath(program, '/') : isInPath(program, SYSTEM_PATH);
}

/** The variant of a program. Before iptables 1.8 there was only the legacy one, and no word about it. */
async function variantOf(program: string, run: Run): Promise<Variant> {
  const { stdout } = await run([program, '--version']);
  return stdout.includes('nf_tables') ? 'nft' : 'legacy';
}

/** The same program in the other variant. */
function counterpart(program: string, variant: Variant): string {
  const name = program.slice(program.lastIndexOf('/') + 1).split('-', 1)[0]!;
  return `${name}-${variant === 'nft' ? 'legacy' : 'nft'}`;
}

async function rejectRulesOf(program: string, run: Run): Promise<void> {
  if (!isInPath(`${program}-save`, SYSTEM_PATH)) return;
  const { stdout } = await run([`${program}-save`]);
  if (!/^:WANMARK(_[A-Z0-9]+|_(TO|BY)_[A-Za-z0-9._-]+)? /m.test(stdout)) return;
  throw new SystemError(
    'OTHER_VARIANT',
    `${program} holds wanmark rules, too; remove them first: 'wanmark down' takes away both`,
  );
}
