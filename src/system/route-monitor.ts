import { type ChildProcess, spawn } from 'node:child_process';
import { SYSTEM_PATH } from './run.js';

/** Routes change in bursts (a link that comes up adds five at once): wait for the rest before acting. */
const SETTLE_MS = 200;
/** A routing daemon may change routes all day: acting then takes a tenth of the time, on a slow machine more. */
const PAUSE_FACTOR = 9;
const MAX_PAUSE_MS = 3000;

/**
 * Watches routes and addresses with `ip monitor`, and calls `onChange` after each burst; never twice at the same
 * time, and once more when something changed while it ran.
 */
export class RouteMonitor {
  readonly #child: ChildProcess;
  readonly #onChange: () => Promise<void>;
  #timer: NodeJS.Timeout | undefined;
  #running = false;
  #notBefore = 0;
  #again = false;
  #stopped = false;

  /** @param onEnd told when `ip monitor` ends by itself, so that nobody trusts a dead watch */
  constructor(onChange: () => Promise<void>, onEnd: () => void) {
    this.#onChange = onChange;
    this.#child = spawn('ip', ['monitor', 'route', 'address'], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, PATH: SYSTEM_PATH },
    });
    this.#child.stdout?.on('data', () => this.#changed());
    const ended = () => this.#stopped || onEnd();
    this.#child.once('error', ended);
    this.#child.once('exit', ended);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#child.kill();
  }

  #changed(): void {
    if (this.#running) {
      this.#again = true;
      return;
    }
    const waitMs = Math.max(SETTLE_MS, this.#notBefore - performance.now());
    this.#timer ??= setTimeout(() => void this.#act(), waitMs);
  }

  async #act(): Promise<void> {
    this.#running = true;
    this.#timer = undefined;
    const start = performance.now();
    await this.#onChange();
    const end = performance.now();
    this.#notBefore = end + Math.min(PAUSE_FACTOR * (end - start), MAX_PAUSE_MS);
    this.#running = false;
    if (!this.#again || this.#stopped) return;
    this.#again = false;
    this.#changed();
  }
}
