import type { Status } from '../control/status.js';

/** What goes by each WAN at a moment, by `WAN in`, `WAN out` (bits a second) and `WAN new` (connections a second). */
export type Rates = ReadonlyMap<string, number | null>;

interface Picks {
  readonly pid: number;
  readonly uptimeSeconds: number;
  readonly byWan: ReadonlyMap<string, number>;
}

/** Makes rates of the statuses of a daemon, one after the other. */
export class RateMeter {
  #last: Picks | undefined;

  /** @param status undefined while no daemon answers, and then there are none */
  read(status: Status | undefined): Rates {
    if (status === undefined) {
      this.#last = undefined;
      return new Map();
    }
    const now = picksOf(status);
    const before = this.#last;
    this.#last = now;
    const seconds = before?.pid === now.pid ? now.uptimeSeconds - before.uptimeSeconds : 0;
    const begun = (wan: string) => {
      const count = now.byWan.get(wan)! - (before?.byWan.get(wan) ?? Number.NaN);
      return seconds > 0 && count >= 0 ? count / seconds : null;
    };
    return new Map(
      status.wans.flatMap(({ name, traffic }): [string, number | null][] => [
        [`${name} in`, traffic?.inBitsPerSecond ?? null],
        [`${name} out`, traffic?.outBitsPerSecond ?? null],
        [`${name} new`, begun(name)],
      ]),
    );
  }
}

/** The decisions of all policies by WAN. */
function picksOf({ pid, uptimeSeconds, wans, policies }: Status): Picks {
  const byWan = new Map<string, number>();
  for (const { name, picks } of [wans, ...policies.map((policy) => policy.wans)].flat())
    byWan.set(name, (byWan.get(name) ?? 0) + picks);
  return { pid, uptimeSeconds, byWan };
}
