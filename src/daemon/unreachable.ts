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
/**
 * A router that waited for a neighbour in vain sends an error about each packet of the connection that waited with it,
 * all at once (arp_error_report). They are about one try. The next one is a second later at the earliest.
 */
const SAME_TRY_MS = 500;
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

interface Move {
  /** The numbers of the WANs. */
  readonly from: number;
  readonly to: number;
  /** In milliseconds of the clock. */
  readonly at: number;
}

/**
 * What becomes of "unreachable" from a WAN's gateway about a connection that nothing has answered yet. A TCP socket that
 * hears of it fails at once, although another WAN could carry the connection. So where there is another one, the client
 * does not hear of the error, conntrack forgets the connection, and its next packet, the SYN that TCP sends again after
 * a second, goes by the other WAN.
 *
 * Each connection is moved once: an error about its next try tells its client that there is no way.
 */
export class Unreachable {
  readonly #parts: UnreachableParts;
  readonly #random: () => number;
  readonly #forget: typeof forgetUnanswered;
  readonly #complaints: RateLimit;
  /** The moves of the last 15 seconds by connection, in the order of their times. */
  readonly #moves = new Map<string, Move>();
  #pending: { tuple: Tuple; mark: number }[] = [];

  constructor(parts: UnreachableParts) {
    this.#parts = parts;
    this.#random = parts.random ?? Math.random;
    this.#forget = parts.forget ?? forgetUnanswered;
    this.#complaints = new RateLimit(COMPLAINT_MS, parts.now);
  }

  /** Answers one error; see {@link ErrorListener}. */
  readonly heard: ErrorListener = (tuple, number) => {
    const at = this.#parts.now();
    this.#forgetMoves(at - REMEMBERED_MS);
    const key = keyOf(tuple);
    const move = this.#moves.get(key);
    if (move !== undefined) {
      return move.from === number && at < move.at + SAME_TRY_MS ? move.to : undefined;
    }
    const others = this.#parts.candidates(tuple.family).filter(({ mark }) => mark !== number);
    if (others.length === 0 || this.#moves.size >= MOST) return undefined;
    const to = drawByWeight(others, this.#random).mark;
    this.#moves.set(key, { from: number, to, at });
    this.#forgetConnection(tuple, number);
    return to;
  };

  #forgetMoves(upTo: number): void {
    for (const [key, { at }] of this.#moves) {
      if (at > upTo) break;
      this.#moves.delete(key);
    }
  }

  /** All connections of a batch become one question to conntrack, since each question wakes a thread. */
  #forgetConnection(tuple: Tuple, number: number): void {
    if (this.#pending.length === 0) queueMicrotask(() => this.#forgetPending());
    this.#pending.push({ tuple, mark: this.#parts.field.encode(number) });
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

function keyOf({ family, proto, src, dst, sport, dport }: Tuple): string {
  return `${family} ${proto} ${src} ${sport} ${dst} ${dport}`;
}
