import type { PlanConfig } from '../config/config.js';
import { FAMILIES, type Family } from '../core/family.js';
import type { Surroundings } from '../plan/evaluate/packet.js';
import type { Facts, MainRoute } from '../plan/facts.js';
import { ledMarks } from '../plan/others.js';
import { factsFor } from './backend.js';
import { readEndpoints } from './endpoints.js';
import { readFacts, routeFacts } from './facts.js';
import type { Firewall } from './firewall.js';
import { readNftSets } from './nft-sets.js';
import { NOTHING_REDIRECTED, readRedirections, redirectionFacts } from './redirections.js';
import { KernelSet } from './rtnetlink/kernel-set.js';
import { dumpTable } from './rtnetlink/routes.js';
import { type Run, run as runCommand } from './run.js';
import { sourceCheck } from './source-check.js';

/**
 * What the machine has at the moment, as `up` would find it, for a look that changes nothing: no neighbour is asked, and
 * no lock is taken.
 * @throws SystemError `NO_FACTS`
 */
export async function lookAround(
  config: PlanConfig,
  { programs, ipsec, backend }: Pick<Firewall, 'programs' | 'ipsec' | 'backend'>,
  run: Run = runCommand,
): Promise<Surroundings> {
  const read = factsFor(readFacts(config), { backend });
  const { mask } = config.fields.wans;
  const [saved, endpoints, policies] = await Promise.all([
    Promise.all(FAMILIES.map(async (family) => (await run([`${programs[family]}-save`])).stdout)),
    readEndpoints(
      config.wans.map(({ dev }) => dev),
      read.devices,
      run,
    ),
    run(['ip', 'xfrm', 'policy']),
  ]);
  const redirected = (family: Family, text: string) =>
    readRedirections(text, ledMarks({ facts: read, family, config, mask }));
  const facts: Facts = {
    ...read,
    ...redirectionFacts(
      backend === 'nft' ? NOTHING_REDIRECTED : { 4: redirected(4, saved[0]!), 6: redirected(6, saved[1]!) },
    ),
    endpoints,
    ipsec,
  };
  return {
    facts,
    inIpset:
      backend === 'nft'
        ? await readNftSets(run)
        : (name, address) => new KernelSet(name, address.includes(':') ? 6 : 4).has(address),
    sourceCheck,
    tableOf: (family, table) => routesOf(family, table, facts),
    ...(policies.code === 0 ? { ipsec: policies.stdout.trim() !== '' } : {}),
  };
}

function routesOf(family: Family, table: number, { devices }: Facts): MainRoute[] | undefined {
  const names = new Map([...devices].map(([name, { index }]) => [index, name]));
  try {
    return routeFacts(dumpTable({ family }, table), (index) => names.get(index) ?? `if${index}`);
  } catch (error) {
    // A table that cannot be read has no answer that anybody could tell.
    if (error instanceof Error && 'errno' in error) return undefined;
    throw error;
  }
}
