import type { Config } from '../config/config.js';
import { ConntrackCounter, type CounterOptions } from '../conntrack/counter.js';
import { CountsFile } from './counts-file.js';

/** A source of the live connections of each mark. */
export interface ConnectionSource {
  /**
   * Settles when the numbers are true, including connections older than the daemon. Never rejects because the system
   * refuses.
   */
  fresh(): Promise<void>;
  /** The live connections of a mark; undefined when they are not counted. */
  count(mark: number): number | undefined;
  /** Counts a connection with this mark that is about to begin. */
  decided(mark: number): void;
  close(): Promise<void>;
}

/** Counts the backends' marks with conntrack. @throws ConntrackError when the system refuses */
export function openBackendConnections(
  { services, fields, strategy }: Pick<Config, 'services' | 'fields' | 'strategy'>,
  onFault: (message: string) => void,
): ConnectionSource {
  const marks = services.flatMap(({ backends }) => backends.map(({ mark }) => mark));
  const { established } = strategy;
  return conntrack({ mask: fields.backends.mask, highest: Math.max(...marks), established }, onFault);
}

/**
 * Counts the WANs' or bare marks with conntrack, or reads the file of `--counts-file`.
 * @param onFault told in one line of what goes wrong later
 * @throws ConntrackError when the system refuses
 */
export function openConnections(
  { targets, fields, strategy }: Pick<Config, 'targets' | 'fields' | 'strategy'>,
  onFault: (message: string) => void,
): ConnectionSource {
  const { countsFile, established } = strategy;
  if (countsFile === undefined) {
    const highest = Math.max(...targets.map(({ mark }) => mark));
    return conntrack({ mask: fields.wans.mask, highest, established }, onFault);
  }
  const file = new CountsFile(countsFile, onFault);
  return {
    fresh: async () => undefined,
    count: (mark) => file.count(mark),
    // The author of the file decides what counts.
    decided: () => undefined,
    close: async () => file.close(),
  };
}

function conntrack(options: CounterOptions, onFault: (message: string) => void): ConnectionSource {
  const counter = ConntrackCounter.open(options, (error) => onFault(error.message));
  return {
    fresh: () => counter.ready,
    count: (mark) => counter.count(mark),
    decided: (mark) => counter.decided(mark),
    close: () => counter.close(),
  };
}
