import type { Config } from '../config/config.js';
import { ConntrackCounter, type CounterOptions } from '../conntrack/counter.js';
import { CountsFile } from './counts-file.js';

/** Where the live connections of a mark come from. */
export interface ConnectionSource {
  /** Settles when the numbers are true, those of connections from before included. Never rejects for the system's sake. */
  fresh(): Promise<void>;
  /** Undefined when they are not counted. */
  count(mark: number): number | undefined;
  /** A connection with this mark is about to begin: it counts at once. */
  decided(mark: number): void;
  close(): Promise<void>;
}

/** Conntrack, for the marks of the backends. @throws ConntrackError when the system refuses */
export function openBackendConnections(
  { services, fields, strategy }: Pick<Config, 'services' | 'fields' | 'strategy'>,
  onFault: (message: string) => void,
): ConnectionSource {
  const marks = services.flatMap(({ backends }) => backends.map(({ mark }) => mark));
  const { established } = strategy;
  return conntrack({ mask: fields.backends.mask, highest: Math.max(...marks), established }, onFault);
}

/**
 * Conntrack, or the file of `--counts-file`.
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
    // Whoever writes the file knows what counts.
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
