import type { Logger } from 'pino';
import type { Config } from '../config/config.js';
import { configDifference } from '../config/difference.js';
import type { RawConfig } from '../config/options.js';
import { UsageError } from '../errors.js';
import type { Firewall } from '../system/firewall.js';
import type { Strategies } from './strategies.js';

/** A configuration that is checked and can be gone over to. */
export interface Prepared {
  /** The options as they were given. */
  readonly raw: RawConfig;
  readonly config: Config;
  readonly strategies: Strategies;
  /** How the rules are made; undefined where they are not to follow. */
  readonly firewall: Firewall | undefined;
  /** What may be wrong, a line each. */
  readonly doubts: readonly string[];
  /** An error of going over to it, with its place in the file where it has one. */
  readonly located: (error: unknown) => Promise<unknown>;
}

/** What a reload came to. */
export interface Reload {
  /** What changed, or would change, as in {@link configDifference}; empty where nothing does. */
  readonly lines: readonly string[];
  /** What may be wrong with the configuration, a line each. */
  readonly doubts: readonly string[];
}

/** Told of each reload that was made or refused; dry runs are nobody's news. */
export type ReloadListener = (reload: Reload & { readonly error?: string }) => void;

export interface ReloadsParts {
  readonly logger: Logger;
  /**
   * Reads the configuration anew, and checks all of it, and that a daemon with the one in force can go over to it.
   * @throws UsageError, SystemError
   */
  readonly read: () => Promise<Prepared>;
  /** The configuration in force. */
  readonly current: () => Config;
  /** How the rules differ from what a configuration makes of them, as in {@link configDifference}; nothing where there are none. */
  readonly rulesDifference: (next: Prepared) => readonly string[];
  /** Goes over to another configuration, or leaves all as it was. @throws SystemError, UsageError */
  readonly goOver: (next: Prepared) => Promise<void>;
  readonly onReload?: ReloadListener | undefined;
}

/** Takes the daemon from the configuration that it has to the one that is in its file now, one reload after another. */
export class Reloads {
  readonly #parts: ReloadsParts;
  #latest: Promise<unknown> = Promise.resolve();
  #ended = false;

  constructor(parts: ReloadsParts) {
    this.#parts = parts;
  }

  /**
   * Reads the configuration again and goes over to it. Nothing has changed when this rejects.
   * @param dry whether only to say what would change
   * @throws UsageError for a configuration that is wrong or needs another daemon; SystemError
   */
  reload(dry: boolean): Promise<Reload> {
    const done = this.#latest.then(() => this.#reload(dry));
    this.#latest = done.catch(() => undefined);
    return done;
  }

  /** Begins no further reload. @returns when the one that is under way has ended */
  async stop(): Promise<void> {
    this.#ended = true;
    await this.#latest;
  }

  async #reload(dry: boolean): Promise<Reload> {
    if (this.#ended) throw new UsageError('the daemon is about to end');
    if (dry) return (await this.#plan()).reload;
    const { logger, goOver, onReload } = this.#parts;
    let reload: Reload = { lines: [], doubts: [] };
    try {
      const plan = await this.#plan();
      reload = plan.reload;
      for (const doubt of reload.doubts) logger.warn(doubt);
      try {
        await goOver(plan.next);
      } catch (error) {
        throw await plan.next.located(error);
      }
    } catch (error) {
      const { message } = error as Error;
      logger.error({ reason: message }, 'not reloaded; all is as it was');
      onReload?.({ ...reload, error: message });
      throw error;
    }
    logger.info({ changes: reload.lines }, 'reloaded');
    onReload?.(reload);
    return reload;
  }

  async #plan(): Promise<{ readonly next: Prepared; readonly reload: Reload }> {
    const next = await this.#parts.read();
    const { lines: own } = configDifference(this.#parts.current(), next.config);
    // Rules that somebody else brought up follow as well.
    const rules = this.#parts.rulesDifference(next).filter((line) => !own.includes(line));
    const lines = [...own, ...rules.map((line) => `rules: ${line}`)];
    return { next, reload: { lines, doubts: next.doubts } };
  }
}
