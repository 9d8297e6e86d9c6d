const HOUR_MS = 3_600_000;
/** Probes to destinations that clients chose, in an hour: fewer than one browser makes connections in a day of use. */
const MOST = 1000;
const MOST_OF_NETWORK = 400;

/** Limits how many probes go to the destinations of clients, in all and for each network. */
export class Budget {
  #spent: { readonly at: number; readonly network: string }[] = [];

  /** @returns whether one more may be sent now; then it counts */
  spend(network: string, now: number): boolean {
    if (this.#spent.length > 0 && this.#spent[0]!.at <= now - HOUR_MS) {
      this.#spent = this.#spent.filter(({ at }) => at > now - HOUR_MS);
    }
    if (this.#spent.length >= MOST) return false;
    if (this.#spent.filter((one) => one.network === network).length >= MOST_OF_NETWORK) return false;
    this.#spent.push({ at: now, network });
    return true;
  }
}
