import type { Logger } from 'pino';
import { isRefusal } from '../../errors.js';
import { TABLE } from '../../plan/render/nft/names.js';
import { type NftChoices, NftWriter } from '../../system/nft-writer.js';
import { rulesetFingerprint } from '../../system/ruleset.js';

/** How many writes there are in a second at most. */
const MOST_A_SECOND = 50;
/** How often it is looked whether somebody has changed the rules, and tried again what could not be written. */
const LOOK_MS = 500;

/** Our table without its family. */
const NAME = TABLE.split(' ')[1]!;

/** The choices of a chain. */
export type ChainChoices = Omit<NftChoices, 'table'>;

/** What has become of writing. */
export interface WriterStatus {
  /** How many transactions have been carried out. */
  readonly writes: number;
  /** Why what was chosen last is not in the rules; null where it is. */
  readonly failure: string | null;
}

export interface RingWriterParts {
  readonly logger: Logger;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/**
 * Keeps the chains of choices in the rules as they are wanted: what is wanted is there when a call returns, unless there were
 * fifty writes within a second already. All is written anew when somebody else has changed the rules, as `up` and
 * `nft flush ruleset` do.
 */
export class RingWriter {
  readonly #parts: RingWriterParts;
  readonly #writer = new NftWriter();
  readonly #wanted = new Map<string, ChainChoices>();
  readonly #changed = new Set<string>();
  /** When the last {@link MOST_A_SECOND} writes were, the oldest one first. */
  readonly #latest: number[] = [];
  readonly #looks: NodeJS.Timeout;
  #timer: NodeJS.Timeout | undefined;
  /** The rules' as of the last look. The first is taken before anything is written, so that no change is missed. */
  #fingerprint = rulesetFingerprint('nft', false);
  #writes = 0;
  #failure: string | undefined;

  /** @throws SystemError where there is no socket for it */
  constructor(parts: RingWriterParts) {
    this.#parts = parts;
    // It is what keeps the process running.
    this.#looks = setInterval(() => this.#look(), LOOK_MS);
  }

  get status(): WriterStatus {
    return { writes: this.#writes, failure: this.#failure ?? null };
  }

  /** Writes these chains. */
  want(choices: readonly ChainChoices[]): void {
    for (const one of choices) {
      this.#wanted.set(one.chain, one);
      this.#changed.add(one.chain);
    }
    this.#write();
  }

  /** Wants no chains but these any more; the others have been taken out of the rules by somebody else. */
  keep(chains: ReadonlySet<string>): void {
    for (const chain of [...this.#wanted.keys()]) if (!chains.has(chain)) this.#wanted.delete(chain);
  }

  /** The packets that were given to each target, by the name of its chain; undefined where there are no rules. */
  async taken(): Promise<ReadonlyMap<string, number> | undefined> {
    try {
      return await this.#writer.counters(NAME);
    } catch (error) {
      if (isRefusal(error)) return undefined;
      throw error;
    }
  }

  /** Ends; what is in the rules goes on. */
  async close(): Promise<void> {
    clearInterval(this.#looks);
    clearTimeout(this.#timer);
    await this.#writer.close();
  }

  #write(): void {
    if (this.#changed.size === 0 || this.#timer !== undefined) return;
    const waitMs = (this.#latest[0] ?? Number.NEGATIVE_INFINITY) + 1000 - this.#parts.now();
    if (waitMs > 0 && this.#latest.length === MOST_A_SECOND) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#write();
      }, waitMs);
      return;
    }
    if (this.#latest.push(this.#parts.now()) > MOST_A_SECOND) this.#latest.shift();
    const choices = [...this.#changed].flatMap((chain) => this.#wanted.get(chain) ?? []);
    try {
      this.#writer.write(choices.map((one) => ({ ...one, table: NAME })));
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.#failed(error.message);
      return;
    }
    this.#changed.clear();
    this.#writes++;
    if (this.#failure !== undefined) this.#parts.logger.info('choices are written into the rules again');
    this.#failure = undefined;
  }

  #failed(why: string): void {
    if (this.#failure === undefined) {
      this.#parts.logger.warn(
        { reason: why },
        'choices cannot be written into the rules, so the kernel chooses by itself; wanmark up --engine ahead makes their place',
      );
    }
    this.#failure = why;
  }

  /** Somebody who changes rules may have taken ours away, whatever they are now. */
  #look(): void {
    const fingerprint = rulesetFingerprint('nft', false);
    const isOther = fingerprint !== this.#fingerprint;
    this.#fingerprint = fingerprint;
    if (isOther) for (const chain of this.#wanted.keys()) this.#changed.add(chain);
    this.#write();
  }
}
