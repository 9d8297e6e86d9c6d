import type { Config } from './config.js';
import type { EngineConfig } from './engine.js';
import { DEFAULT_POLICY } from './policy.js';
import { builtIn, isStrategyFile } from './strategy.js';

/** A member of a pool, as far as this goes. */
interface Weighed {
  readonly name: string;
  readonly weight: number;
  readonly tier: number;
}

/** The strategies whose promise the kernel's own choice keeps as well, by weight and tier. */
const LIKE_THE_KERNEL: ReadonlySet<string> = new Set(['weighted', 'round-robin', 'random', 'failover']);

/** What a configuration asks for and nobody will do, one line each. What a strategy of the user's own does is unknown. */
export function unusedSettings(
  config: Pick<Config, 'targets' | 'services' | 'strategy' | 'rules' | 'policies'>,
): string[] {
  const { targets, services, strategy, rules, policies } = config;
  const pools = [
    { owner: '', strategy: strategy.name, members: targets },
    ...policies.used.map(({ name, strategy: own, members }) => ({
      owner: `policy "${name}": `,
      // A policy of one WAN has nothing to choose.
      strategy: members.length > 1 ? (own ?? strategy.name) : 'weighted',
      members: members.map((member) => ({ ...member, name: member.wan })),
    })),
    ...services.map(({ name, strategy: own, backends }) => ({
      owner: `service "${name}": `,
      strategy: own,
      members: backends,
    })),
  ];
  const lines = pools.map(({ owner, strategy: name, members }) => {
    if (members.length === 0) return undefined;
    const line = rules.engine === 'kernel' ? unusedByKernel(name, rules) : unusedByStrategy(name, members);
    return line && owner + line;
  });
  if (strategy.pairFamilies && rules.engine === 'kernel')
    lines.push('pair-families needs the daemon; with engine kernel each connection is chosen for alone');
  const unbound = [{ name: DEFAULT_POLICY, sticky: policies.sticky }, ...policies.used]
    .filter(({ sticky }) => rules.engine === 'kernel' && sticky?.bound !== undefined)
    .map(
      ({ name }) => `policy "${name}": the bound of sticky needs the daemon; with engine kernel nobody moves`,
    );
  const idle = policies.given
    .filter(({ name }) => policies.used.every((used) => used.name !== name))
    .map(({ name }) => `no --rule leads to policy "${name}"`);
  return [...lines.filter((line) => line !== undefined), ...unbound, ...idle];
}

function unusedByKernel(name: string, { kernelHash }: EngineConfig): string | undefined {
  if (!isStrategyFile(name)) {
    const { name: full, factory } = builtIn(name);
    const fields = factory.fixedBy?.toSorted().join();
    const holds =
      kernelHash === undefined ? LIKE_THE_KERNEL.has(full) : fields === kernelHash.toSorted().join();
    if (holds) return undefined;
    if (kernelHash === undefined && fields !== undefined) {
      return `strategy ${name} needs the daemon, or --kernel-mode hash:${factory.fixedBy!.join()} with --backend nft; the kernel chooses by weight`;
    }
    // Nobody has asked for it.
    if (kernelHash !== undefined && full === 'weighted') return undefined;
  }
  return `strategy ${name} needs the daemon; with engine kernel the kernel chooses${kernelHash === undefined ? ', by weight' : ' by its hash'}`;
}

function unusedByStrategy(name: string, members: readonly Weighed[]): string | undefined {
  if (isStrategyFile(name) || !builtIn(name).factory.ignoresWeights) return undefined;
  const differing = members.find(({ weight, tier }) =>
    members.some((other) => other.tier === tier && other.weight > 0 && weight > other.weight),
  );
  if (differing === undefined) return undefined;
  return `strategy ${name} ignores weights, and ${differing.name} has weight ${differing.weight}; use weighted`;
}
