import type { Logger } from 'pino';
import type { HealthConfig } from '../config/health.js';
import { type Flushed, flush, type Selection } from '../conntrack/requests.js';
import type { Family } from '../core/family.js';
import type { MarkField } from '../core/mark.js';
import type { Wan } from '../core/wan.js';
import { type Clock, systemClock } from '../wan/clock.js';
import type { Balancer } from './balancer.js';

const UDP = 17;
const SELECTIONS: Readonly<Record<Exclude<HealthConfig['onUp'], 'none'>, Selection>> = {
  all: {},
  udp: { unanswered: true, proto: UDP },
};
/** IPS_SRC_NAT, IPS_DST_NAT (linux/netfilter/nf_conntrack_common.h). */
const SRC_NAT = 1 << 4;
const DST_NAT = 1 << 5;
/**
 * 200 in a second. Each is a decision, a new NAT binding and, of TCP, a handshake with TLS on top: some thousand at once
 * would be a burst that a line which has just come back answers with loss. So many are gone unnoticed, and the thousand
 * connections of an office in five seconds. Not less at a time, for each time the kernel walks its whole table.
 */
const MOST_AT_ONCE = 100;
const PAUSE_MS = 500;

export interface MoverParts {
  /** That of the WANs. */
  readonly field: MarkField;
  readonly onUp: HealthConfig['onUp'];
  readonly balancer: Pick<Balancer, 'candidates' | 'forget'>;
  readonly logger: Logger;
  readonly flush?: typeof flush;
  readonly clock?: Clock;
}

/**
 * Takes connections off WANs that have been replaced by a better one: conntrack forgets them, and their next packet is a
 * new connection. Never more than 200 in a second, whatever comes up.
 *
 * Only those that left by the WAN. What came in by it has to be answered by it; it is told by its address, which a WAN
 * translates only for what leaves. The router's own connections that carry the WAN's address stay for the same reason.
 */
export class Mover {
  readonly #parts: MoverParts;
  readonly #flush: typeof flush;
  readonly #clock: Clock;
  #last: Promise<void> = Promise.resolve();
  #wake = () => {};
  #notBefore = Number.NEGATIVE_INFINITY;
  #stopped = false;

  constructor(parts: MoverParts) {
    this.#parts = parts;
    this.#flush = parts.flush ?? flush;
    this.#clock = parts.clock ?? systemClock;
  }

  /** @returns when those are moved, or it was given up because a WAN is a candidate again. Never rejects. */
  move(wans: readonly Wan[], family: Family): Promise<void> {
    const { onUp } = this.#parts;
    if (onUp === 'none') return Promise.resolve();
    // One after the other, so that the rate is that of all.
    for (const wan of wans) {
      this.#last = this.#last.then(() => this.#moveFrom(wan, family, SELECTIONS[onUp]));
    }
    return this.#last;
  }

  stop(): void {
    this.#stopped = true;
    this.#wake();
  }

  async #moveFrom(wan: Wan, family: Family, which: Selection): Promise<void> {
    const { field, balancer, logger } = this.#parts;
    const mark = field.encode(wan.mark);
    const selection = { ...which, ...leftBy(wan, family), family };
    let moved = 0;
    let left = 0;
    // As many as the first look finds: what a rule of the user's own brings back to the WAN would be ended for ever.
    let budget: number | undefined;
    try {
      for (let isLast = false; await this.#mayGoOn(wan, family); ) {
        balancer.forget(wan.mark);
        const most = isLast ? MOST_AT_ONCE : Math.min(MOST_AT_ONCE, budget ?? MOST_AT_ONCE);
        const flushed: Flushed | undefined = await this.#flush(mark, field.mask, { ...selection, most });
        // With `most` it tells how many.
        const { found, ended } = flushed!;
        moved += ended;
        left = found - ended;
        budget = (budget ?? found) - ended;
        if (isLast) break;
        // One look more: a connection may have been given to the WAN just before, and its packet on the way.
        isLast = left === 0 || budget === 0;
      }
    } catch (error) {
      logger.error(`connections of WAN ${wan.name} could not be moved: ${(error as Error).message}`);
    }
    if (moved > 0) logger.info({ wan: wan.name, family, moved, left }, 'connections moved away');
  }

  /** After the pause that is due, whether nobody is given the WAN any more, and somebody is another. */
  async #mayGoOn(wan: Wan, family: Family): Promise<boolean> {
    await this.#rest();
    if (this.#stopped) return false;
    this.#notBefore = this.#clock.now() + PAUSE_MS;
    const now = this.#parts.balancer.candidates(family);
    return now.size > 0 && !now.has(wan.name);
  }

  async #rest(): Promise<void> {
    const restMs = this.#notBefore - this.#clock.now();
    if (restMs <= 0 || this.#stopped) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.after(restMs, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}

/** How a connection that left by a WAN is told from one that came in. */
function leftBy(wan: Wan, family: Family): Selection {
  const translates = (family === 6 ? wan.nat6 : wan.nat) !== 'none';
  return { status: translates ? SRC_NAT : 0, statusMask: SRC_NAT | DST_NAT };
}
