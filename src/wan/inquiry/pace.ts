const SHORTEST_MS = 1000;
const LONGEST_MS = 60_000;
/** So much quiet halves the pause. */
const QUIET_MS = 60_000;

/**
 * How often one WAN may be asked. Each inquiry that finds nothing doubles the pause after it, so that a client with a dead
 * or hostile server cannot make the router ask all day.
 */
export class Pace {
  #pauseMs = SHORTEST_MS;
  #endedAt = Number.NEGATIVE_INFINITY;

  /** @param broad several clients and networks ask for it, so the shortest pause is enough */
  mayAsk(broad: boolean, now: number): boolean {
    return now >= this.#endedAt + (broad ? SHORTEST_MS : this.#pauseMs);
  }

  /** An inquiry found nothing. */
  wasVain(now: number): void {
    const quiet = Math.floor((now - this.#endedAt) / QUIET_MS);
    const pauseMs = Number.isFinite(quiet) ? this.#pauseMs / 2 ** quiet : SHORTEST_MS;
    this.#pauseMs = Math.min(LONGEST_MS, 2 * Math.max(SHORTEST_MS, pauseMs));
    this.#endedAt = now;
  }

  /** An inquiry found something. */
  wasNeeded(now: number): void {
    this.#pauseMs = SHORTEST_MS;
    this.#endedAt = now;
  }
}
