interface Sample {
  readonly at: number;
  /** The round-trip time; undefined for a lost probe. */
  readonly rttMs: number | undefined;
  readonly ok: boolean;
}

/** The last probes of one target. */
export class ProbeWindow {
  readonly #lengthMs: number;
  #samples: Sample[] = [];

  constructor(lengthMs: number) {
    this.#lengthMs = lengthMs;
  }

  add(ok: boolean, rttMs: number | undefined, now: number): void {
    this.#samples.push({ at: now, ok, rttMs });
    const oldest = now - this.#lengthMs;
    const fresh = this.#samples.findIndex(({ at }) => at > oldest);
    if (fresh > 0) this.#samples.splice(0, fresh);
  }

  clear(): void {
    this.#samples = [];
  }

  get size(): number {
    return this.#samples.length;
  }

  /** Per cent of lost probes; 0 when there are no probes. */
  get loss(): number {
    if (this.#samples.length === 0) return 0;
    return (100 * this.#samples.filter(({ ok }) => !ok).length) / this.#samples.length;
  }

  /** The median in milliseconds, so that one slow answer says nothing; undefined when nothing was answered. */
  get latency(): number | undefined {
    const times = this.#samples.flatMap(({ ok, rttMs }) => (ok && rttMs !== undefined ? [rttMs] : []));
    times.sort((a, b) => a - b);
    if (times.length === 0) return undefined;
    const middle = (times.length - 1) / 2;
    return (times[Math.floor(middle)]! + times[Math.ceil(middle)]!) / 2;
  }
}
