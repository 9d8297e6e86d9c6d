import type { CheckConfig, Hysteresis } from '../config/check.js';
import type { CheckResult } from './check/check.js';
import { probesOf, type RoundResult } from './probes.js';
import { ProbeWindow } from './window.js';

/** The shortest window: long enough to measure a loss of a few per cent with one probe in two seconds. */
const LEAST_WINDOW_MS = 60_000;
/** A window is long enough for this many probes, however rare they are. */
const PROBES_IN_WINDOW = 30;
/** With fewer probes a share means nothing: one lost probe of five is 20 %. */
const LEAST_PROBES = 10;

type Measure = 'loss' | 'latency';
const UNITS = { loss: '%', latency: 'ms' } as const;

/** The loss and latency of one target, compared with their thresholds. */
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
    // A target that never answers has no latency, and cannot be counted on.
    if (value === undefined || value > limits.down) this.#bad.add(measure);
    else if (value <= limits.up) this.#bad.delete(measure);
  }

  clear(): void {
    this.#window.clear();
    this.#bad.clear();
  }

  /** For people, such as `loss 33 % over 30 probes (limit 20 %)`: the measures that are bad, or else both. */
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
 * The part of a check that looks at loss and latency. Each target is judged alone, and a check is good while its quorum
 * of targets is: one dead target does not mean loss on the line.
 */
export class Quality {
  readonly #config: CheckConfig;
  readonly #targets: readonly TargetQuality[];

  constructor(config: CheckConfig, targets: readonly string[]) {
    this.#config = config;
    const windowMs = Math.max(LEAST_WINDOW_MS, (PROBES_IN_WINDOW * config.intervalMs) / config.count);
    this.#targets = targets.map((target) => new TargetQuality(target, windowMs));
  }

  /** @param results the results of one round, in the order of the targets */
  add(results: readonly RoundResult[], now: number): void {
    this.#targets.forEach((target, i) => {
      for (const probe of probesOf(results[i]!)) target.add(probe, now);
      target.judge('loss', this.#config.loss);
      target.judge('latency', this.#config.latency);
    });
  }

  get good(): boolean {
    return this.#targets.filter(({ bad }) => !bad).length >= this.#config.quorum;
  }

  /** Forgets all probes. To be called after an outage, whose lost probes say nothing about the line that is back. */
  clear(): void {
    for (const target of this.#targets) target.clear();
  }

  /** The figures of the targets that are bad; when the check is good, those of the good ones. */
  describe(): string {
    const { good } = this;
    return this.#targets
      .filter(({ bad }) => bad !== good)
      .map((target) => target.describe(this.#config))
      .join('; ');
  }
}
