import { AnswerTimes } from './answer-times.js';

/** A client's connection that a WAN left without an answer. */
export interface Unanswered {
  /** The connection's id, the same whenever it is looked at. */
  readonly id: number;
  readonly decidedAt: number;
  /** The age that it was seen with last, in ms. */
  readonly ageMs: number;
  /** The client's address. */
  readonly client: string;
  /** The key of the destination's network. */
  readonly network: string;
}

/** A reason to ask whether a WAN still works. */
export interface Doubt {
  /** `3 connections unanswered that other WANs answered` */
  readonly reason: string;
  /** Whether several clients and several networks say so: one client, or one server, never suffices to avoid a WAN. */
  readonly broad: boolean;
}

/** So many unanswered connections in a row are worth a question, and so many answers of others meanwhile. */
const LEAST_RUN = 3;
const LEAST_OTHERS = 3;
/** So many connections of several clients and networks are enough to avoid a WAN where nobody can be asked. */
const LEAST_BROAD = 3;
/** A look at a connection's age may come this much later than planned. */
const LOOK_MS = 100;
/** Older connections say nothing about the present. */
const STALE_MS = 30_000;
const MOST = 128;

class WanRecord {
  readonly times = new AnswerTimes();
  /** Unanswered connections that were decided after the latest answered one, by id. */
  run = new Map<number, Unanswered>();
  /** Unanswered connections that another WAN answered in less time than this one had. */
  pairs: Unanswered[] = [];
  /** Unanswered connections that the WAN's gateway called unreachable. */
  errors: Unanswered[] = [];
  /** When the answered connections of the last seconds were decided. */
  readonly answered: number[] = [];
  /** When the last answer was found. */
  heardAt = Number.NEGATIVE_INFINITY;
  /** When the latest answered connection was decided. Earlier ones count no more. */
  from = Number.NEGATIVE_INFINITY;

  forgetUntil(decidedAt: number): void {
    const isLater = (one: Unanswered) => one.decidedAt > decidedAt;
    for (const one of this.run.values()) if (!isLater(one)) this.run.delete(one.id);
    this.pairs = this.pairs.filter(isLater);
    this.errors = this.errors.filter(isLater);
    this.from = Math.max(this.from, decidedAt);
  }

  answeredSince(time: number): number {
    return this.answered.filter((decidedAt) => decidedAt >= time).length;
  }
}

/**
 * What the fate of clients' connections says about the WANs of one family. It never says more than that a WAN should be
 * asked: clients choose their destinations, and a destination may be dead, or refuse one WAN's address.
 */
export class Evidence {
  readonly #records = new Map<string, WanRecord>();

  /** How long the WAN takes to answer. */
  times(wan: string): AnswerTimes {
    return this.#record(wan).times;
  }

  /** When the last answer by the WAN was found. */
  heardAt(wan: string): number {
    return this.#record(wan).heardAt;
  }

  /** When the latest answered connection of the WAN was decided. */
  answeredUpTo(wan: string): number {
    return this.#record(wan).from;
  }

  /** @param leastMs the age at which the connection was last seen without its answer, 0 where it never was */
  answered(wan: string, decidedAt: number, leastMs: number, now: number): void {
    const record = this.#record(wan);
    record.times.add(leastMs, now);
    record.heardAt = now;
    record.answered.push(decidedAt);
    if (record.answered.length > MOST) record.answered.shift();
    record.forgetUntil(decidedAt);
  }

  /** Takes in a connection that is not answered yet; it may be told again with a greater age. */
  unanswered(wan: string, one: Unanswered): void {
    const { run, from } = this.#record(wan);
    if (one.decidedAt <= from) return;
    run.set(one.id, one);
    if (run.size > MOST) run.delete(run.keys().next().value!);
  }

  /** Forgets an unanswered connection that was given to another WAN, since it is not known whether anybody answers it. */
  withdraw(wan: string, id: number): void {
    this.#record(wan).run.delete(id);
  }

  /** Takes in a connection that the WAN left without an answer and another one answered in less time. */
  pair(wan: string, one: Unanswered): void {
    const record = this.#record(wan);
    if (one.decidedAt > record.from) record.pairs = [...record.pairs.slice(1 - MOST), one];
  }

  /** Takes in a connection that the WAN's gateway called unreachable. */
  unreachable(wan: string, one: Unanswered): void {
    const record = this.#record(wan);
    if (one.decidedAt > record.from) record.errors = [...record.errors.slice(1 - MOST), one];
  }

  /** Ignores what is known of the connections that `wan` was given before `now`. */
  restart(wan: string, now: number): void {
    this.#record(wan).forgetUntil(now);
  }

  /**
   * Why the WAN should be asked; undefined where nothing speaks against it.
   * @param others the WANs that it is compared with
   */
  doubt(wan: string, others: readonly string[], now: number): Doubt | undefined {
    const record = this.#record(wan);
    const isRecent = ({ decidedAt }: Unanswered) => decidedAt > now - STALE_MS;
    const pairs = record.pairs.filter(isRecent);
    const errors = record.errors.filter(isRecent);
    const broad = isBroad([...pairs, ...errors]);
    if (pairs.length > 0) {
      return { reason: `${connections(pairs.length)} unanswered that other WANs answered`, broad };
    }
    if (errors.length > 0) {
      return { reason: `its gateway called ${connections(errors.length)} unreachable`, broad };
    }
    return this.#silence(record, others, now);
  }

  /** Nothing is answered any more, while the others answer. */
  #silence(record: WanRecord, others: readonly string[], now: number): Doubt | undefined {
    const usualMs = record.times.usualMs(now);
    if (now - record.heardAt < usualMs) return undefined;
    // A look finds an answer some time after it came, and the answer clears the WAN of all that was sent before it.
    const since = Math.max(record.heardAt - usualMs - LOOK_MS, now - STALE_MS);
    const run = [...record.run.values()].filter((one) => one.ageMs >= usualMs && one.decidedAt >= since);
    if (run.length < LEAST_RUN) return undefined;
    const onset = Math.min(...run.map(({ decidedAt }) => decidedAt));
    const meanwhile = others.reduce((sum, other) => sum + this.#record(other).answeredSince(onset), 0);
    if (meanwhile < LEAST_OTHERS) return undefined;
    const longest = Math.max(...run.map(({ ageMs }) => ageMs));
    const reason =
      `${connections(run.length)} unanswered for up to ${(longest / 1000).toFixed(1)} s ` +
      `while other WANs answered ${meanwhile}`;
    return { reason, broad: false };
  }

  #record(wan: string): WanRecord {
    let record = this.#records.get(wan);
    if (record === undefined) {
      record = new WanRecord();
      this.#records.set(wan, record);
    }
    return record;
  }
}

function isBroad(all: readonly Unanswered[]): boolean {
  const different = (key: (one: Unanswered) => string) => new Set(all.map(key)).size;
  return (
    all.length >= LEAST_BROAD && different((one) => one.client) > 1 && different((one) => one.network) > 1
  );
}

function connections(n: number): string {
  return n === 1 ? '1 connection' : `${n} connections`;
}
