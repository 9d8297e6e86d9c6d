import type { PlanConfig } from '../config/config.js';
import { FAMILIES, type Family } from '../core/family.js';
import { SystemError, UsageError } from '../errors.js';
import type { Facts } from '../plan/facts.js';
import { type HeldSet, heldSets } from '../plan/held-sets.js';
import type { Plan } from '../plan/plan.js';
import type { Backend } from '../plan/render/lists.js';
import { isInPath } from './executable.js';
import { type Firewall, findFirewall, namedPrograms } from './firewall.js';
import { ipsecOf } from './ipsec.js';
import { type Run, SYSTEM_PATH } from './run.js';

/**
 * The programs that a configuration's rules are to be made with.
 * @param families the families that rules are to be made for
 * @throws UsageError for what iptables has no words for, SystemError where the machine has no such program
 */
export async function chooseFirewall(
  config: PlanConfig,
  families: readonly Family[],
  run: Run,
): Promise<Firewall> {
  return (await backendOf(config, run)) === 'nft' ? findNft(config, run) : findFirewall(families, run);
}

async function backendOf(config: PlanConfig, run: Run): Promise<Backend> {
  const { firewall, kernelHash, engine } = config.rules;
  if (firewall === 'iptables' && kernelHash !== undefined) throw new UsageError(NO_HASH);
  if (firewall !== 'auto') return firewall;
  if (kernelHash !== undefined || engine === 'ahead') return 'nft';
  if (!isInstalled('nft')) return 'iptables';
  const programs = namedPrograms();
  // The program that fills such a set fills an ipset.
  const asksIpsets = config.policies.sets.some(({ source }) => source.kind === 'external');
  if (asksIpsets && isInstalled(programs[4])) return 'iptables';
  const held = await Promise.all(FAMILIES.map((family) => holdsOurs(programs[family], run)));
  if (held.some(Boolean)) return 'iptables';
  const queues = config.rules.engine !== 'nfqueue' || (await canQueue(run));
  // Where there is no iptables, either, the missing queue is what there is to say.
  return queues || !isInstalled(programs[4]) ? 'nft' : 'iptables';
}

/** @throws UsageError, SystemError */
async function findNft(config: PlanConfig, run: Run): Promise<Firewall> {
  if (!isInstalled('nft')) throw new SystemError('NO_NFT', 'nft is not installed; apt-get install nftables');
  if (config.rules.engine === 'nfqueue' && !(await canQueue(run)))
    throw new SystemError('NO_NFT_QUEUE', NO_QUEUE);
  return {
    programs: namedPrograms(),
    // That of iptables-nft, which is what may be there beside it.
    variant: 'nft',
    backend: 'nft',
    ipsec: await ipsecOf(await takes('rt ipsec exists return', run), run),
  };
}

/** What a machine lacks whose kernel has no `queue` for nft. */
export const NO_QUEUE =
  "the kernel has no queue for nft (CONFIG_NFT_QUEUE; 'modprobe nft_queue'); use --backend iptables, or --engine kernel";

const NO_HASH =
  'iptables cannot hash; use --backend nft with --kernel-mode hash:..., or --kernel-mode random';

/** Whether the kernel has `queue` for nft. */
export function canQueue(run: Run): Promise<boolean> {
  return takes('queue num 0 bypass', run);
}

/** Whether nft and the kernel would take a rule; nothing is changed. */
async function takes(rule: string, run: Run): Promise<boolean> {
  const table = 'inet wanmark_trial';
  const batch = [`add table ${table}`, `add chain ${table} trial`, `add rule ${table} trial ${rule}`];
  return (await run(['nft', '-c', batch.join('; ')])).code === 0;
}

async function holdsOurs(program: string, run: Run): Promise<boolean> {
  if (!isInstalled(`${program}-save`)) return false;
  return /^:WANMARK/m.test((await run([`${program}-save`])).stdout);
}

function isInstalled(program: string): boolean {
  return isInPath(program, program.includes('/') ? '/' : SYSTEM_PATH);
}

/**
 * Facts as they are for those who have the rules. nft keeps sets whatever the kernel has of ipset.
 */
export function factsFor<F extends Facts>(facts: F, { backend }: Pick<Firewall, 'backend'>): F {
  if (backend !== 'nft') return facts;
  return {
    ...facts,
    keepsSets: true,
    hostsSets: true,
    ...(facts.keepsClients !== undefined && { keepsClients: true }),
  };
}

/** The ipsets that a plan's rules ask. With nft, sets are a part of our table. */
export function ipsetsOf(plan: Plan, { backend }: Pick<Firewall, 'backend'>): HeldSet[] {
  return backend === 'nft' ? [] : heldSets(plan);
}

/** Who would have the rules of a configuration that is not up, without a look at the machine. */
export function unpreparedFirewall({
  rules,
}: Pick<PlanConfig, 'rules'>): Pick<Firewall, 'programs' | 'ipsec' | 'backend'> {
  return {
    programs: namedPrograms(),
    ipsec: undefined,
    backend: rules.firewall === 'nft' ? 'nft' : 'iptables',
  };
}
