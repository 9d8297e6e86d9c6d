import type { Config } from '../config/config.js';
import { type LoadedStrategy, loadStrategy } from '../config/strategy.js';
import { Counts } from '../core/counts.js';
import { checkStrategyFile } from '../system/executable.js';
import type { NamedService } from './services.js';

/** A strategy with a state of its own, and the connection counts that it sees. */
export interface CountingStrategy {
  readonly strategy: LoadedStrategy;
  readonly counts: Counts;
}

/** All the strategies of a configuration. */
export interface Strategies {
  /** The WANs' strategy. */
  readonly wans: CountingStrategy;
  /** Those of the policies that are used, in their order. */
  readonly policies: readonly CountingStrategy[];
  readonly services: readonly (NamedService & CountingStrategy)[];
}

/** Loads the strategies. @param now the clock that strategies are given @throws UsageError */
export async function loadStrategies(
  { strategy, services, policies }: Pick<Config, 'strategy' | 'services' | 'policies'>,
  now: () => number,
): Promise<Strategies> {
  const load = async (name: string): Promise<CountingStrategy> => {
    checkStrategyFile(name);
    const counts = new Counts();
    const { connections } = counts;
    return { strategy: await loadStrategy(name, { random: Math.random, now, connections }), counts };
  };
  return {
    wans: await load(strategy.name),
    policies: await Promise.all(policies.used.map((policy) => load(policy.strategy ?? strategy.name))),
    services: await Promise.all(
      services.map(async (service) => ({ service, ...(await load(service.strategy)) })),
    ),
  };
}
