import type { Logger } from 'pino';
import type { ConnectionSource } from './connections.js';
import { CountedOnDemand } from './counted-on-demand.js';
import type { CountingStrategy } from './strategies.js';

/**
 * Counts the connections of a balancer: always where one of its strategies needs the numbers, otherwise while somebody
 * asks. A strategy that asks without having said that it needs them gets 0 at first; its asking turns counting on for
 * good.
 *
 * @param open begins to count
 * @throws ConntrackError when the system refuses counts that are needed
 */
export function countConnections(
  open: () => ConnectionSource,
  strategies: readonly CountingStrategy[],
  logger: Logger,
): ConnectionSource {
  if (areNeeded(strategies)) {
    const source = open();
    for (const { counts } of strategies) counts.source = (mark) => source.count(mark) ?? 0;
    return source;
  }
  const source = new CountedOnDemand(open, (error) =>
    logger.warn(`connections are not counted: ${error.message}`),
  );
  for (const { counts } of strategies) {
    counts.source = (mark) => {
      source.keep();
      return source.count(mark) ?? 0;
    };
  }
  return source;
}

/** Whether any of the strategies needs the numbers. */
export function areNeeded(strategies: readonly CountingStrategy[]): boolean {
  return strategies.some(({ strategy }) => strategy.needs.includes('connections'));
}
