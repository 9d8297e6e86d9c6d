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
  /** All of them by who uses them and the name in the configuration. */
  readonly loaded: ReadonlyMap<string, CountingStrategy>;
}

/**
 * Loads the strategies.
 * @param now the clock that strategies are given
 * @param former those of an earlier configuration; one of the same name and user goes on with what it has learned
 * @throws UsageError
 */
export async function loadStrategies(
  { strategy, services, policies }: Pick<Config, 'strategy' | 'services' | 'policies'>,
  now: () => number,
  former: ReadonlyMap<string, CountingStrategy> = new Map(),
): Promise<Strategies> {
  const loaded = new Map<string, CountingStrategy>();
  const load = async (user: string, name: string): Promise<CountingStrategy> => {
    const key = `${user}: ${name}`;
    const one = former.get(key) ?? (await loadAnew(name, now));
    loaded.set(key, one);
    return one;
  };
  return {
    wans: await load('WANs', strategy.name),
    policies: await Promise.all(
      policies.used.map((policy) => load(`policy ${policy.name}`, policy.strategy ?? strategy.name)),
    ),
    services: await Promise.all(
      services.map(async (service) => ({
        service,
        ...(await load(`service ${service.name}`, service.strategy)),
      })),
    ),
    loaded,
  };
}

async function loadAnew(name: string, now: () => number): Promise<CountingStrategy> {
  checkStrategyFile(name);
  const counts = new Counts();
  const { connections } = counts;
  return { strategy: await loadStrategy(name, { random: Math.random, now, connections }), counts };
}
