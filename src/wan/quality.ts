import type { CheckConfig, Hysteresis } from '../config/check.js';
import type { CheckResult } from './check/check.js';
import { ProbeWindow } from './window.js';

/** Long enough for a share of some per cent at one probe in two seconds. */
const LEAST_WINDOW_MS = 60_000;
/** A window has room for so many probes, however rare they are. */
const PROBES_IN_WINDOW = 30;
/** Below that a share means nothing: one lost probe of five is 20 %. */
const LEAST_PROBES = 10;

type Measure = 'loss' | 'latency';
const UNITS = { loss: '%', latency: 'ms' } as const;

/** Loss and latency of one target against their thresholds. */
class TargetQuality {
  readonly target: string;
  readonly #window: ProbeWindow;
  readonly #bad = new Set<Measure>();

  constructor(target: string, windowMs: number) {
    this.target = target;
    this.#window = new ProbeWindow(windowMs);
  }

  get bad(): boolean {
    return this.#bad.size > 0;
  }

  add(result: CheckResult, now: number): void {
    if (!result.inconclusive) this.#window.add(result.ok, result.rttMs, now);
  }

  /** Between the two thresholds a target stays what it was. */
  judge(measure: Measure, limits: Hysteresis | undefined): void {
    const value = this.#value(measure);
    if (limits === undefined || this.#window.size < LEAST_PROBES) return;
    // A target that never answers has no latency, and is none to count on.
    if (value === undefined || value > limits.down) this.#bad.add(measure);
    else if (value <= limits.up) this.#bad.delete(measure);
  }

  clear(): void {
    this.#window.clear();
    this.#bad.clear();
  }

  /** `loss 33 % over 30 probes (limit 20 %)`, of what is bad, or else of both. */
  describe(config: CheckConfig): string {
    const measures = (['loss', 'latency'] as const).filter((measure) =>
      this.bad ? this.#bad.has(measure) : config[measure] !== undefined,
    );
    const texts = measures.map((measure) => {
      const value = this.#value(measure);
      const limit = config[measure]?.[this.bad ? 'down' : 'up'];
      const unit = UNITS[measure];
      const figure = value === undefined ? 'without answer' : `${Math.round(value)} ${unit}`;
      return `${measure} ${figure} (limit ${limit} ${unit})`;
    });
    return `${this.target} ${texts.join(', ')} over ${this.#window.size} probes`;
  }

  #value(measure: Measure): number | undefined {
    return measure === 'loss' ? this.#window.loss : this.#window.latency;
  }
}

/**
 * The part of a check that looks at loss and latency. Each target is judged alone, and a check is good as long as
 * its quorum of targets is: one dead target is no loss on the line.
 */
export class Quality {
  readonly #config: CheckConfig;
  readonly #targets: readonly TargetQuality[];

  constructor(config: CheckConfig, targets: readonly string[]) {
    this.#config = config;
    const windowMs = Math.max(LEAST_WINDOW_MS, PROBES_IN_WINDOW * config.intervalMs);
    this.#targets = targets.map((target) => new TargetQuality(target, windowMs));
  }

  /** @param results of one round, in the order of the targets */
  add(results: readonly CheckResult[], now: number): void {
    this.#targets.forEach((target, i) => {
      target.add(results[i]!, now);
      target.judge('loss', this.#config.loss);
      target.judge('latency', this.#config.latency);
    });
  }

  get good(): boolean {
    return this.#targets.filter(({ bad }) => !bad).length >= this.#config.quorum;
  }

  /** After an outage: the probes that were lost in it are no loss of the line that is back. */
  clear(): void {
    for (const target of this.#targets) target.clear();
  }

  /** The figures: of the targets that are bad, or when it is good, of those that are not. */
  describe(): string {
    const { good } = this;
    return this.#targets
      .filter(({ bad }) => bad !== good)
      .map((target) => target.describe(this.#config))
      .join('; ');
  }
}
