import type { Logger } from 'pino';
import { forgetUnanswered } from '../conntrack/requests.js';
import type { Candidate } from '../core/candidate.js';
import type { Family } from '../core/family.js';
import type { MarkField } from '../core/mark.js';
import { drawByWeight } from '../core/strategies/random.js';
import type { Tuple } from '../core/tuple.js';
import type { ErrorListener } from './decider.js';
import { RateLimit } from './rate-limit.js';

/** How long a connection counts as moved. TCP's first four SYNs are sent within this time. */
const REMEMBERED_MS = 15_000;
/** The most connections that are moved within that time; about 1 MB. Errors about others pass. */
const MOST = 8192;
const COMPLAINT_MS = 60_000;

export interface UnreachableParts {
  /** That of the WANs. */
  readonly field: MarkField;
  /** The WANs that new connections of a family may be given to now. */
  readonly candidates: (family: Family) => readonly Candidate[];
  readonly logger: Logger;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  readonly random?: () => number;
  readonly forget?: typeof forgetUnanswered;
}

/**
 * What becomes of "unreachable" from a WAN's gateway about a connection that nothing has answered yet. A TCP socket that
 * hears of it fails at once, although another WAN could carry the connection. So where there is another one, the client
 * does not hear of the error, conntrack forgets the connection, and its next packet, the SYN that TCP sends again after
 * a second, goes by the other WAN.
 *
 * Each connection is moved once: the second error tells its client that there is no way.
 */
export class Unreachable {
  readonly #parts: UnreachableParts;
  readonly #random: () => number;
  readonly #forget: typeof forgetUnanswered;
  readonly #complaints: RateLimit;
  /** When the move of each connection is forgotten, in the order of these times. */
  readonly #moved = new Map<string, number>();
  #pending: { tuple: Tuple; mark: number }[] = [];

  constructor(parts: UnreachableParts) {
    this.#parts = parts;
    this.#random = parts.random ?? Math.random;
    this.#forget = parts.forget ?? forgetUnanswered;
    this.#complaints = new RateLimit(COMPLAINT_MS, parts.now);
  }

  /** Answers one error; see {@link ErrorListener}. */
  readonly heard: ErrorListener = (tuple, number) => {
    const { candidates, field, now } = this.#parts;
    const others = candidates(tuple.family).filter(({ mark }) => mark !== number);
    if (others.length === 0 || !this.#mayMove(tuple, now())) return undefined;
    // All errors of a batch become one question, since each question wakes a thread.
    if (this.#pending.length === 0) queueMicrotask(() => this.#forgetPending());
    this.#pending.push({ tuple, mark: field.encode(number) });
    return drawByWeight(others, this.#random).mark;
  };

  #mayMove(tuple: Tuple, now: number): boolean {
    for (const [key, until] of this.#moved) {
      if (until > now) break;
      this.#moved.delete(key);
    }
    const { family, proto, src, dst, sport, dport } = tuple;
    const key = `${family} ${proto} ${src} ${sport} ${dst} ${dport}`;
    if (this.#moved.has(key) || this.#moved.size >= MOST) return false;
    this.#moved.set(key, now + REMEMBERED_MS);
    return true;
  }

  async #forgetPending(): Promise<void> {
    const { field, logger } = this.#parts;
    const questions = this.#pending;
    this.#pending = [];
    try {
      await this.#forget(questions, field.mask);
    } catch (error) {
      const { message } = error as Error;
      // Their next SYNs go by the same WAN again, and then the error passes.
      this.#complaints.run((held) =>
        logger.warn({ ...(held > 0 ? { held } : {}) }, `unreachable connections were not moved: ${message}`),
      );
    }
  }
}
