/** Causes come in bursts (a link that comes up adds five routes at once): wait for the rest before acting. */
const SETTLE_MS = 200;
/** Where something changes all day, acting takes a tenth of the time, on a slow machine more. */
const PAUSE_FACTOR = 9;
const MAX_PAUSE_MS = 1000;

/**
 * Acts some time after it was asked to: never twice at the same time, once more when it was asked again meanwhile,
 * and with pauses.
 */
export class Paced {
  readonly #act: () => Promise<number>;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #urgent: Promise<void> | undefined;
  #again = false;
  #stopped = false;
  #notBefore = 0;

  /** @param act returns how many milliseconds it wants to be left alone at least */
  constructor(act: () => Promise<number>) {
    this.#act = act;
  }

  request(): void {
    if (this.#stopped) return;
    if (this.#running !== undefined) {
      this.#again = true;
      return;
    }
    const waitMs = Math.max(SETTLE_MS, this.#notBefore - performance.now());
    this.#timer ??= setTimeout(() => this.#start(), waitMs);
  }

  /** Acts without delay, or as soon as what is under way has ended; resolves when it has acted. */
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

  #start(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#running = this.#run();
    return this.#running;
  }

  async #run(): Promise<void> {
    const start = performance.now();
    const restMs = await this.#act();
    const end = performance.now();
    this.#notBefore = end + Math.max(restMs, Math.min(PAUSE_FACTOR * (end - start), MAX_PAUSE_MS));
    this.#running = undefined;
    if (!this.#again) return;
    this.#again = false;
    this.request();
  }
}
