import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../config/config.js';
import { ConntrackCounter, type CounterOptions, type Exclusion } from '../conntrack/counter.js';
import type { Plans } from '../queue/plans.js';
import { OwnNetworksReader } from '../system/own-networks.js';
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
  /**
   * Counts the choices of plans in the moment in which a queue makes them; {@link decided} is not called for these.
   * @param shift that of the field which holds the marks
   */
  countPlanned(plans: Pick<Plans, 'countIn'>, shift: number): void;
  /** To be called when addresses or routes of the router may have changed: they tell what came in. */
  lookAround(): void;
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
 *
 * A WAN's connections are those that left by it. What came in has the WAN's mark as well, for the way back, and anybody
 * in the internet could make it; it begins towards the router or a network behind it, and is left out. So are the
 * router's own pings, and the probes of checks other than `script`, whose connections are not known. With bare marks it
 * is the user's rules that say what has a mark.
 * @param onFault told in one line of what goes wrong later
 * @throws ConntrackError when the system refuses
 */
export function openConnections(
  { targets, wans, fields, strategy }: Pick<Config, 'targets' | 'wans' | 'fields' | 'strategy'>,
  onFault: (message: string) => void,
): ConnectionSource {
  const { countsFile, established } = strategy;
  if (countsFile === undefined) {
    const highest = Math.max(...targets.map(({ mark }) => mark));
    const options = { mask: fields.wans.mask, highest, established };
    const own = wans.length > 0 ? new OwnNetworksReader(wans.map(({ dev }) => dev)) : undefined;
    return conntrack(options, onFault, own);
  }
  const file = new CountsFile(countsFile, onFault);
  return {
    fresh: async () => undefined,
    count: (mark) => file.count(mark),
    // The author of the file decides what counts.
    decided: () => undefined,
    countPlanned: () => undefined,
    lookAround: () => undefined,
    close: async () => file.close(),
  };
}

/** @param own when given, what came in and the router's own pings and probes are left out */
function conntrack(
  options: CounterOptions,
  onFault: (message: string) => void,
  own?: OwnNetworksReader,
): ConnectionSource {
  let exclusion = exclusionOf(own);
  const counter = ConntrackCounter.open({ ...options, ...(exclusion && { exclusion }) }, (error) =>
    onFault(error.message),
  );
  return {
    fresh: () => counter.ready,
    count: (mark) => counter.count(mark),
    decided: (mark) => counter.decided(mark),
    countPlanned: (plans, shift) => plans.countIn(counter.planned, shift),
    lookAround: () => {
      const found = exclusionOf(own);
      // Without an answer of the kernel, what was known before is the best guess.
      if (found === undefined || isDeepStrictEqual(found, exclusion)) return;
      exclusion = found;
      counter.exclude(found);
    },
    close: () => counter.close(),
  };
}

/** What came in, and what begins at the router itself; undefined where the kernel does not answer, or nobody asks. */
export function exclusionOf(own: OwnNetworksReader | undefined): Exclusion | undefined {
  const read = own?.read();
  return read && { to: read.networks, self: read.addresses };
}
