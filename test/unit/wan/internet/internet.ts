import type { Check } from '#wanmark/wan/check/check.js';
import { CANCELLED } from '#wanmark/wan/check/check.js';
import type { EventClock } from './event-clock.js';

/** When a SYN is sent: at once, and again after these ms (RFC 6298, and tcp_syn_retries of Linux). */
export const SYNS_MS = [0, 1000, 3000, 7000] as const;

export interface Paths {
  /** Round trip of a WAN, in ms; default 60. It varies by a fifth both ways. */
  readonly rttMs?: (wan: string, seconds: number) => number;
  /** The part of the packets that a WAN loses, each way; default 0. */
  readonly loss?: (wan: string, seconds: number) => number;
  /** Whether a destination is answered by a WAN; default always. */
  readonly reaches?: (wan: string, dst: string, seconds: number) => boolean;
}

/** What lies behind the WANs: black holes, dead and picky servers, round trips and loss. */
export class Internet {
  readonly #clock: EventClock;
  readonly #random: () => number;
  readonly #paths: Paths;

  constructor(clock: EventClock, random: () => number, paths: Paths) {
    this.#clock = clock;
    this.#random = random;
    this.#paths = paths;
  }

  /** How many ms from now the answer to a packet comes; undefined when none does. */
  answerMs(wan: string, dst: string): number | undefined {
    const { rttMs, loss, reaches } = this.#paths;
    const seconds = this.#clock.now() / 1000;
    if (reaches !== undefined && !reaches(wan, dst, seconds)) return undefined;
    const lost = loss?.(wan, seconds) ?? 0;
    if (lost > 0 && (this.#random() < lost || this.#random() < lost)) return undefined;
    return (rttMs?.(wan, seconds) ?? 60) * (0.8 + 0.4 * this.#random());
  }

  /** Asks a destination as the kernel's own sockets do. */
  readonly reach: Check = (target, { wan }, timeoutMs, signal) =>
    this.#ask(wan, target.slice(0, target.lastIndexOf(':')), SYNS_MS, timeoutMs, signal);

  readonly ping: Check = (target, { wan }, timeoutMs, signal) =>
    this.#ask(wan, target, [0], timeoutMs, signal);

  #ask(wan: string, dst: string, sentMs: readonly number[], timeoutMs: number, signal: AbortSignal) {
    const clock = this.#clock;
    const began = clock.now();
    return new Promise<Awaited<ReturnType<Check>>>((resolve) => {
      signal.addEventListener('abort', () => resolve(CANCELLED));
      clock.after(timeoutMs, () => resolve({ ok: false, why: 'timeout' }));
      const answered = () => resolve({ ok: true, rttMs: clock.now() - began, why: 'answered' });
      const send = () => {
        const ms = this.answerMs(wan, dst);
        if (ms !== undefined) clock.after(ms, answered);
      };
      for (const ms of sentMs.filter((one) => one < timeoutMs)) {
        if (ms === 0) send();
        else clock.plan(ms, send);
      }
    });
  }
}
