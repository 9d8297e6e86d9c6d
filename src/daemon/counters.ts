import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type { Config } from '../config/config.js';
import type { Plans } from '../queue/plans.js';
import { type ConnectionSource, openBackendConnections, openConnections } from './connections.js';
import { areNeeded, giveCounts, openCounts } from './counting.js';
import type { CountingStrategy, Strategies } from './strategies.js';

/** A configuration and its strategies, as far as counting goes. */
export interface Counted {
  readonly config: Pick<Config, 'targets' | 'wans' | 'services' | 'fields' | 'strategy'>;
  readonly strategies: Strategies;
}

/** One of the two kinds of targets whose connections are counted. */
interface Kind {
  readonly open: (config: Counted['config'], onFault: (message: string) => void) => ConnectionSource;
  readonly strategies: (all: Strategies) => readonly CountingStrategy[];
  /** All that a source depends on. */
  readonly depends: (config: Counted['config']) => unknown;
}

/** The counts of WANs. */
export const WAN_COUNTS: Kind = {
  open: openConnections,
  strategies: ({ wans, policies }) => [wans, ...policies],
  depends: ({ targets, wans, strategy }) => [
    Math.max(...targets.map(({ mark }) => mark)),
    wans.map(({ dev }) => dev),
    strategy.established,
    strategy.countsFile,
  ],
};

/** The counts of backends. */
export const BACKEND_COUNTS: Kind = {
  open: openBackendConnections,
  strategies: ({ services }) => services,
  depends: ({ services, strategy }) => [
    Math.max(...services.flatMap(({ backends }) => backends.map(({ mark }) => mark))),
    strategy.established,
  ],
};

/** The live connections of a balancer's targets, whatever configuration is in force. */
export class Counters implements ConnectionSource {
  readonly #kind: Kind;
  readonly #logger: Logger;
  #source: ConnectionSource;
  #depends: unknown;
  #planned: readonly [Pick<Plans, 'countIn'>, number] | undefined;
  /** Settles when the sources that were given up are closed. */
  #closed: Promise<unknown> = Promise.resolve();

  /** Begins to count. @throws ConntrackError when the system refuses counts that are needed */
  constructor(kind: Kind, { config, strategies }: Counted, logger: Logger) {
    this.#kind = kind;
    this.#logger = logger;
    const those = kind.strategies(strategies);
    this.#source = this.#open(config, areNeeded(those));
    this.#depends = [kind.depends(config), areNeeded(those)];
    giveCounts(this.#source, those);
  }

  /**
   * Makes ready to count for another configuration; what is in force is not touched.
   * @returns what goes over to it, or gives it up
   * @throws ConntrackError when the system refuses counts that are needed
   */
  async prepare({ config, strategies }: Counted): Promise<{ take(): void; drop(): void }> {
    const those = this.#kind.strategies(strategies);
    const needed = areNeeded(those);
    const depends = [this.#kind.depends(config), needed];
    if (isDeepStrictEqual(depends, this.#depends)) {
      return { take: () => giveCounts(this.#source, those), drop: () => undefined };
    }
    const source = this.#open(config, needed);
    if (needed) await source.fresh();
    return {
      take: () => {
        this.#close(this.#source);
        this.#source = source;
        this.#depends = depends;
        giveCounts(source, those);
        if (this.#planned !== undefined) source.countPlanned(...this.#planned);
      },
      drop: () => this.#close(source),
    };
  }

  fresh(): Promise<void> {
    return this.#source.fresh();
  }

  count(mark: number): number | undefined {
    return this.#source.count(mark);
  }

  decided(mark: number): void {
    this.#source.decided(mark);
  }

  countPlanned(plans: Pick<Plans, 'countIn'>, shift: number): void {
    this.#planned = [plans, shift];
    this.#source.countPlanned(plans, shift);
  }

  lookAround(): void {
    this.#source.lookAround();
  }

  async close(): Promise<void> {
    this.#close(this.#source);
    await this.#closed;
  }

  #open(config: Counted['config'], needed: boolean): ConnectionSource {
    const warn = (message: string) => this.#logger.warn(message);
    return openCounts(() => this.#kind.open(config, warn), needed, this.#logger);
  }

  #close(source: ConnectionSource): void {
    this.#closed = Promise.all([this.#closed, source.close()]);
  }
}
