import { connect } from 'node:net';
import { type LoadReport, type LoadRequest, messages } from './protocol.js';

/** Milliseconds between the ticks at which new connections are started. */
const TICK_MS = 5;
/**
 * Most connections that may wait for an answer at once, so that a machine too slow for the rate gets fewer. The number
 * is below the backlog of the server's socket, which would otherwise lose connections.
 */
const MAX_OPEN = 512;
/** A connection is slow beyond half the time of TCP's first retransmission (RFC 6298). */
const SLOW_MS = 500;

/**
 * Opens TCP connections at a steady rate until it is told to end, whatever becomes of earlier ones. Each asks once and
 * is reset after the answer, so that no port waits in TIME_WAIT. Only numbers are kept.
 */
export class Load {
  readonly #request: LoadRequest;
  readonly #timer: NodeJS.Timeout;
  readonly #start = performance.now();
  readonly #failed = new Map<string, number>();
  readonly #broken = new Map<string, number>();
  readonly #sources = new Map<string, number>();
  #started = 0;
  #done = 0;
  #slow = 0;
  #longestMs = 0;
  #slowConnects = 0;
  #slowestConnectMs = 0;
  #longestPauseMs = 0;
  #ticked = this.#start;
  #seconds: number | undefined;
  #onIdle: (() => void) | undefined;

  constructor(request: LoadRequest) {
    this.#request = request;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  get report(): LoadReport {
    const seconds = this.#seconds ?? (performance.now() - this.#start) / 1000;
    return {
      started: this.#started,
      done: this.#done,
      failed: Object.fromEntries(this.#failed),
      broken: Object.fromEntries(this.#broken),
      slow: this.#slow,
      longestMs: Math.round(this.#longestMs),
      slowConnects: this.#slowConnects,
      slowestConnectMs: Math.round(this.#slowestConnectMs),
      longestPauseMs: Math.round(this.#longestPauseMs),
      sources: Object.fromEntries(this.#sources),
      seconds,
    };
  }

  /** Starts no more connections; resolves when each has its answer, has failed or is broken. */
  async end(): Promise<LoadReport> {
    this.#seconds = (performance.now() - this.#start) / 1000;
    if (this.#open > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    clearInterval(this.#timer);
    return this.report;
  }

  get #open(): number {
    return this.#started - this.#done - sum(this.#failed) - sum(this.#broken);
  }

  #tick(): void {
    const now = performance.now();
    this.#longestPauseMs = Math.max(this.#longestPauseMs, now - this.#ticked - TICK_MS);
    this.#ticked = now;
    if (this.#seconds !== undefined) return;
    const due = (this.#request.rate * (now - this.#start)) / 1000;
    // Connections that could not be started in time are started later, so the rate is right on the whole.
    while (this.#started < due && this.#open < MAX_OPEN) this.#one();
  }

  #one(): void {
    const { to, port, family, from, timeoutMs } = this.#request;
    const localAddress = from[this.#started % from.length];
    const nonce = `l${++this.#started}`;
    const start = performance.now();
    const socket = connect({
      host: to,
      port,
      family,
      noDelay: true,
      ...(localAddress ? { localAddress } : {}),
    });
    let answer = '';
    let over = false;
    let connected = false;
    const finish = (error?: string) => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      socket.resetAndDestroy();
      if (error === undefined) this.#answered(performance.now() - start, answer);
      else add(connected ? this.#broken : this.#failed, error);
      if (this.#open === 0) this.#onIdle?.();
    };
    const timer = setTimeout(() => finish(`no answer in ${timeoutMs / 1000} s`), timeoutMs);
    socket.on('connect', () => {
      connected = true;
      this.#connected(performance.now() - start);
      socket.write(`${messages.count(nonce)}\n`);
    });
    socket.on('data', (data) => {
      answer += data.toString('latin1');
      if (answer.endsWith('\n')) finish();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
    socket.on('close', () => finish('closed by the server'));
  }

  #connected(ms: number): void {
    if (ms > SLOW_MS) this.#slowConnects++;
    this.#slowestConnectMs = Math.max(this.#slowestConnectMs, ms);
  }

  #answered(ms: number, answer: string): void {
    this.#done++;
    add(this.#sources, answer.split(' ')[1] ?? '');
    if (ms > SLOW_MS) this.#slow++;
    this.#longestMs = Math.max(this.#longestMs, ms);
  }
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function sum(counts: ReadonlyMap<string, number>): number {
  let total = 0;
  for (const count of counts.values()) total += count;
  return total;
}
