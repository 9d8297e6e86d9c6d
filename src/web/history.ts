import type { Rates } from './rates.js';
import { type Columns, Ring } from './ring.js';

/** What can be shown: how long it goes back, and in which steps. A WAN takes 42 kB of it. */
export const SPANS = {
  hour: { stepMs: 5_000, size: 720 },
  day: { stepMs: 60_000, size: 1440 },
  fortnight: { stepMs: 900_000, size: 1344 },
} as const;

/** A span of the plots. */
export type Span = keyof typeof SPANS;

/** What went by the WANs, for as long as this process runs and two weeks at most. */
export class History {
  readonly #rings: ReadonlyMap<Span, Ring>;

  constructor() {
    const rings = Object.entries(SPANS).map(
      ([span, { stepMs, size }]) => [span as Span, new Ring(stepMs, size)] as const,
    );
    this.#rings = new Map(rings);
  }

  /** @param at milliseconds since 1970 */
  add(at: number, rates: Rates): void {
    for (const ring of this.#rings.values()) ring.add(at, rates);
  }

  /** @param after only what began at or after this time, in milliseconds since 1970 */
  columns(span: Span, after: number): Columns {
    return this.#rings.get(span)!.columns(after);
  }
}
