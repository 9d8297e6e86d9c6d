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
  const source = openCounts(open, areNeeded(strategies), logger);
  giveCounts(source, strategies);
  return source;
}

/** Begins to count, at once where that is needed. @throws ConntrackError when the system refuses counts that are needed */
export function openCounts(open: () => ConnectionSource, needed: boolean, logger: Logger): ConnectionSource {
  if (needed) return open();
  return new CountedOnDemand(open, (error) => logger.warn(`connections are not counted: ${error.message}`));
}

/** Gives strategies their counts. */
export function giveCounts(source: ConnectionSource, strategies: readonly CountingStrategy[]): void {
  for (const { counts } of strategies) {
    counts.source = (mark) => {
      if (source instanceof CountedOnDemand) source.keep();
      return source.count(mark) ?? 0;
    };
  }
}

/** Whether any of the strategies needs the numbers. */
export function areNeeded(strategies: readonly CountingStrategy[]): boolean {
  return strategies.some(({ strategy }) => strategy.needs.includes('connections'));
}
