import type { Logger } from 'pino';
import { targetId } from '../core/target.js';
import type { Clock } from '../wan/clock.js';
import type { CheckReport } from '../wan/monitor.js';
import { RateLimit } from './rate-limit.js';

/** How often it is said of a check that it cannot tell. */
const SAID_EVERY_MS = 60_000;

/** Says that a check found nothing out, because this machine is short of something, once a minute for each. */
export class UnknownRounds {
  readonly #logger: Logger;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #label: (name: string) => object;
  readonly #what: string;
  readonly #said = new Map<string, RateLimit>();

  /**
   * @param label names a target in the log, by the field that users know
   * @param what the targets are, `WAN` or `backend`
   */
  constructor(
    logger: Logger,
    clock: Pick<Clock, 'now'>,
    label: (name: string) => object,
    what: 'WAN' | 'backend',
  ) {
    this.#logger = logger;
    this.#clock = clock;
    this.#label = label;
    this.#what = what;
  }

  /** @param name that of the target */
  say(name: string, { config: { kind }, family, unknown }: CheckReport): void {
    const key = `${kind} ${targetId(name, family)}`;
    const limit = this.#said.get(key) ?? new RateLimit(SAID_EVERY_MS, () => this.#clock.now());
    this.#said.set(key, limit);
    limit.run(() =>
      this.#logger.warn(
        { ...this.#label(name), family, check: kind, why: unknown },
        `a check found nothing out; the ${this.#what} stays as it is`,
      ),
    );
  }
}
