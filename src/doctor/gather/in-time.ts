import { isRefusal } from '../../errors.js';
import type { Run } from '../../system/run.js';

/** Waits for looks at the machine up to one moment, and notes what does not come. */
export class InTime {
  readonly #limitMs: number;
  readonly #end: Promise<undefined>;
  readonly #timer: NodeJS.Timeout;
  readonly #late: string[] = [];
  #isLate = false;

  /** @param limitMs from now on, for all looks together */
  constructor(limitMs: number) {
    this.#limitMs = limitMs;
    let ring: (value: undefined) => void = () => undefined;
    this.#end = new Promise((resolve) => {
      ring = resolve;
    });
    this.#timer = setTimeout(() => ring(undefined), limitMs);
  }

  /** What was not looked at, a line each. */
  get late(): readonly string[] {
    return this.#late;
  }

  /** Whether something goes on although nobody waits for it any more. */
  get isLate(): boolean {
    return this.#isLate;
  }

  /** What a look finds; undefined where it takes too long, or the system refuses it. */
  async look<T>(what: string, look: () => T | Promise<T>): Promise<T | undefined> {
    const found = (async () => ({ value: await look() }))().catch((error: unknown) => {
      if (!isRefusal(error)) throw error;
      this.#late.push(`${what} (${error.message})`);
      return { value: undefined };
    });
    // Nobody may wait any more when it fails.
    found.catch(() => undefined);
    const first = await Promise.race([found, this.#end]);
    if (first !== undefined) return first.value;
    this.#isLate = true;
    this.#late.push(`${what} (no answer within ${this.#limitMs / 1000} s)`);
    return undefined;
  }

  /** To be called at the end. */
  done(): void {
    clearTimeout(this.#timer);
  }
}

/** Runs each command once, however many parts of the report ask for it. */
export function runOnce(run: Run): Run {
  const running = new Map<string, ReturnType<Run>>();
  return (argv) => {
    const key = argv.join('\0');
    const found = running.get(key) ?? run(argv);
    running.set(key, found);
    return found;
  };
}
