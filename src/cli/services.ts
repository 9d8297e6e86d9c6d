import { loadStrategy, type NamedStrategy } from '../config/strategy.js';
import { Counts } from '../core/counts.js';
import type { Service } from '../core/service.js';
import type { NamedService } from '../daemon/services.js';

/** A strategy made for somebody, and the counts that it may want. */
export interface CountingStrategy {
  readonly strategy: NamedStrategy;
  readonly counts: Counts;
}

/** Each with its own state. @throws UsageError */
export async function loadCountingStrategy(name: string, now: () => number): Promise<CountingStrategy> {
  const counts = new Counts();
  const strategy = await loadStrategy(name, {
    random: Math.random,
    now,
    get connections() {
      return counts.connections;
    },
  });
  return { strategy, counts };
}

/** @throws UsageError that names the service */
export async function loadServices(
  services: readonly Service[],
  now: () => number,
): Promise<(NamedService & CountingStrategy)[]> {
  return Promise.all(
    services.map(async (service) => ({ service, ...(await loadCountingStrategy(service.strategy, now)) })),
  );
}
