import type { Logger } from 'pino';
import type { HealthConfig } from '../config/health.js';
import { type Flushed, flush, type Selection } from '../conntrack/requests.js';
import { type EventSink, NO_EVENTS } from '../core/event.js';
import type { Family } from '../core/family.js';
import type { MarkField } from '../core/mark.js';
import { UDP } from '../core/protocol.js';
import { natOf, type Wan } from '../core/wan.js';
import { type Clock, systemClock } from '../wan/clock.js';
import type { Chooser } from './chooser.js';

const SELECTIONS: Readonly<Record<Exclude<HealthConfig['onUp'], 'none'>, Selection>> = {
  all: {},
  udp: { unanswered: true, proto: UDP },
};
/** IPS_SRC_NAT and IPS_DST_NAT of linux/netfilter/nf_conntrack_common.h. */
const SRC_NAT = 1 << 4;
const DST_NAT = 1 << 5;
/**
 * How many connections are moved at once, twice a second. Each move is a decision, a new NAT binding and, for TCP, a
 * handshake with TLS on top. Some thousand at once would be a burst that a line which has just come back answers with
 * loss; 200 a second go unnoticed, and the thousand connections of an office take five seconds. Smaller steps would
 * cost more, since the kernel walks its whole table for each.
 */
const MOST_AT_ONCE = 100;
const PAUSE_MS = 500;

export interface MoverParts {
  /** That of the WANs. */
  readonly field: MarkField;
  readonly onUp: HealthConfig['onUp'];
  readonly balancer: Pick<Chooser, 'candidates' | 'forget'>;
  readonly logger: Logger;
  readonly events?: EventSink;
  readonly flush?: typeof flush;
  readonly clock?: Clock;
}

/**
 * Moves connections off WANs that were replaced by a better one: conntrack forgets them, and their next packet is a new
 * connection. It moves at most 200 a second, whatever comes up.
 *
 * Only connections that left by the WAN are moved. A connection that came in by the WAN must be answered by it; it is
 * told by its address, which a WAN translates only for connections that leave. The router's own connections that carry
 * the WAN's address stay for the same reason.
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

  /**
   * @returns when the connections are moved, or moving was given up because a WAN is a candidate again. Never rejects.
   */
  move(wans: readonly Wan[], family: Family): Promise<void> {
    const { onUp } = this.#parts;
    if (onUp === 'none') return Promise.resolve();
    // One WAN after another, so that the rate holds for all together.
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
    const { field, balancer, logger, events = NO_EVENTS } = this.#parts;
    const mark = field.encode(wan.mark);
    const selection = { ...which, ...leftBy(wan, family), family };
    let moved = 0;
    let left = 0;
    // Limited to what the first look finds: connections that a user's own rule brings back to the WAN would be ended
    // for ever.
    let budget: number | undefined;
    try {
      for (let isLast = false; await this.#mayGoOn(wan, family); ) {
        balancer.forget(wan.mark);
        const most = isLast ? MOST_AT_ONCE : Math.min(MOST_AT_ONCE, budget ?? MOST_AT_ONCE);
        const flushed: Flushed | undefined = await this.#flush(mark, field.mask, { ...selection, most });
        // With `most` the result is never undefined.
        const { found, ended } = flushed!;
        moved += ended;
        left = found - ended;
        budget = (budget ?? found) - ended;
        if (isLast) break;
        // Looks once more: a connection may have been given to the WAN just before, and its packet is on the way.
        isLast = left === 0 || budget === 0;
      }
    } catch (error) {
      logger.error(`connections of WAN ${wan.name} could not be moved: ${(error as Error).message}`);
    }
    if (moved === 0) return;
    logger.info({ wan: wan.name, family, moved, left }, 'connections moved away');
    events.note({ kind: 'moved', target: wan.name, family, connections: moved, left });
  }

  /** Waits for the pause between two steps. @returns whether new connections go to other WANs, and none to this one */
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

/** The status bits by which a connection that left by a WAN differs from one that came in. */
function leftBy(wan: Wan, family: Family): Selection {
  const translates = natOf(wan, family) !== 'none';
  return { status: translates ? SRC_NAT : 0, statusMask: SRC_NAT | DST_NAT };
}
