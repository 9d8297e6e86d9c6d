/**
 * How long to wait for more causes before acting, since they come in bursts: a link that comes up adds five routes at
 * once.
 */
const SETTLE_MS = 100;
/** The pause after an act, as a multiple of its duration: with constant changes, acting takes a tenth of the time. */
const PAUSE_FACTOR = 9;
const MAX_PAUSE_MS = 1000;
/** The wait when somebody waits for the act. A new address and its routes arrive within a hundredth of a second. */
const SOON_SETTLE_MS = 30;
const SOON_PAUSE_MS = 50;
/** How many acts a minute may skip the long pauses; after that, `soon` waits like `request`. */
const HASTE = 60;
const MINUTE_MS = 60_000;
/** The wait after an act that failed. */
const FAILED_REST_MS = 10_000;

/**
 * Acts some time after a request, with pauses in between: never twice at the same time, and once more when it was asked
 * again while acting.
 */
export class Paced {
  readonly #act: () => Promise<number>;
  readonly #onFault: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer ends. */
  #due = Number.POSITIVE_INFINITY;
  #running: Promise<void> | undefined;
  #urgent: Promise<void> | undefined;
  #again: 'soon' | 'later' | undefined;
  #stopped = false;
  #notBefore = 0;
  #ended = Number.NEGATIVE_INFINITY;
  #starts: readonly number[] = [];

  /**
   * @param act returns for how many milliseconds at least it wants to rest
   * @param onFault told when `act` rejects; it is called again later all the same
   */
  constructor(act: () => Promise<number>, onFault: (error: unknown) => void) {
    this.#act = act;
    this.#onFault = onFault;
  }

  request(): void {
    if (this.#running !== undefined) this.#again ??= 'later';
    else this.#wait(Math.max(performance.now() + SETTLE_MS, this.#notBefore));
  }

  /** Requests an act without the long pauses, including those that `act` wants. */
  soon(): void {
    if (this.#running !== undefined) this.#again = 'soon';
    else if (this.#lately.length > HASTE) this.request();
    else this.#wait(Math.max(performance.now() + SOON_SETTLE_MS, this.#ended + SOON_PAUSE_MS));
  }

  /** Acts at once, or as soon as the act under way has ended; resolves when it has acted. */
  now(): Promise<void> {
    this.#urgent ??= this.#afterThis();
    return this.#urgent;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #afterThis(): Promise<void> {
    await this.#running;
    this.#urgent = undefined;
    if (!this.#stopped) await this.#start();
  }

  /** The start times of the acts in the last minute. */
  get #lately(): readonly number[] {
    const since = performance.now() - MINUTE_MS;
    return this.#starts.filter((time) => time > since);
  }

  /** Sets the timer, unless it ends earlier already. */
  #wait(until: number): void {
    if (this.#stopped || until >= this.#due) return;
    clearTimeout(this.#timer);
    this.#due = until;
    this.#timer = setTimeout(() => this.#start(), until - performance.now());
  }

  #start(): Promise<void> {
    clearTimeout(this.#timer);
    this.#due = Number.POSITIVE_INFINITY;
    this.#running = this.#run();
    return this.#running;
  }

  async #run(): Promise<void> {
    const start = performance.now();
    this.#starts = [...this.#lately, start];
    // What acts may fail; the next act must not wait for ever because of that.
    const restMs = await this.#act().catch((error) => {
      this.#onFault(error);
      return FAILED_REST_MS;
    });
    const end = performance.now();
    this.#notBefore = end + Math.max(restMs, Math.min(PAUSE_FACTOR * (end - start), MAX_PAUSE_MS));
    this.#ended = end;
    this.#running = undefined;
    const again = this.#again;
    this.#again = undefined;
    if (again === 'soon') this.soon();
    else if (again === 'later') this.request();
  }
}
