import type { Logger } from 'pino';
import type { HealthConfig } from '../config/health.js';
import { type Flushed, flush, type Selection } from '../conntrack/requests.js';
import { type EventSink, NO_EVENTS } from '../core/event.js';
import { FAMILIES, type Family } from '../core/family.js';
import type { MarkField } from '../core/mark.js';
import { UDP } from '../core/protocol.js';
import type { States } from '../core/states.js';
import { type TargetId, targetId } from '../core/target.js';
import { carries, type Wan } from '../core/wan.js';
import type { HealthChange } from '../wan/health.js';
import type { Chooser } from './chooser.js';
import type { Mover } from './mover.js';
import type { SuspicionChange } from './suspicions.js';
import { sinceDate } from './uplink-status.js';
import type { UplinkChange } from './uplinks.js';

/** A connection that was never answered can still go another way without the client noticing. */
const UNANSWERED: Selection = { unanswered: true };
/** The connections that each value of `--on-down` cuts. */
export const CUT_ON_DOWN: Readonly<Record<HealthConfig['onDown'], Selection>> = {
  all: {},
  udp: { ...UNANSWERED, proto: UDP },
  none: UNANSWERED,
};

/** Takes down that connections were cut, unless there were none. */
export function noteCut(
  events: EventSink,
  {
    target,
    family,
    selection,
    flushed,
  }: {
    readonly target: string;
    readonly family: Family;
    readonly selection: Selection;
    /** Undefined where the kernel ended all of them by itself. */
    readonly flushed: Flushed | undefined;
  },
): void {
  if (flushed?.ended === 0) return;
  const { unanswered, proto } = selection;
  const which = proto === UDP ? 'udp' : unanswered ? 'unanswered' : 'all';
  events.note({ kind: 'cut', target, family, which, connections: flushed?.ended ?? null });
}

/** The WANs and what is cut are read anew each time, so they may change. */
export interface FailoverParts {
  readonly wans: readonly Wan[];
  /** That of the WANs. */
  readonly field: MarkField;
  readonly onDown: HealthConfig['onDown'];
  readonly states: States;
  readonly balancer: Pick<Chooser, 'candidates' | 'forget'>;
  readonly logger: Logger;
  readonly events?: EventSink;
  /** Makes the kernel's own choice go by the states; see {@link RulesKeeper.setStates}. */
  readonly follow: () => Promise<void>;
  /** Moves connections off the WANs that are no longer candidates. */
  readonly mover: Pick<Mover, 'move'>;
  readonly flush?: typeof flush;
}

/**
 * Acts on a WAN's change of state, which the states know already. Down: first neither the daemon nor the kernel chooses
 * it any more; then its connections are cut, so that clients make them again by another WAN. In the opposite order they
 * could come back to it. While the outage may be brief, only those that were never answered are cut. Up: first come its
 * rules and route, then the daemon chooses it, then connections are moved away from the WANs that it replaces.
 */
export class Failover {
  readonly #parts: FailoverParts;
  readonly #flush: typeof flush;
  readonly #events: EventSink;
  /** When the suspicions began that have not ended, in milliseconds of the epoch. */
  readonly #suspected = new Map<TargetId, number>();
  /** The last change of each target, so that work for an older one can tell that it is out of date. */
  readonly #latest = new Map<TargetId, UplinkChange>();
  /** Settles when the last change of each target has been acted upon. */
  readonly #acting = new Map<TargetId, Promise<void>>();

  constructor(parts: FailoverParts) {
    this.#parts = parts;
    this.#flush = parts.flush ?? flush;
    this.#events = parts.events ?? NO_EVENTS;
  }

  /** Acts on a change. @returns when everything is done. Never rejects. */
  changed(change: UplinkChange): Promise<void> {
    const id = targetId(change.wan, change.family);
    this.#latest.set(id, change);
    const acting = this.#act(this.#named(change.wan)!, change);
    this.#acting.set(id, acting);
    return acting;
  }

  /** Cuts the connections of a WAN whose outage is not brief after all. @returns when it is done. Never rejects. */
  async lasts({ wan, family, reason }: HealthChange): Promise<void> {
    const id = targetId(wan, family);
    this.#parts.logger.info({ wan, family, reason }, 'outage lasts');
    // The rules are changed by then.
    await this.#acting.get(id);
    if (this.#isLost(id)) await this.#cut(this.#named(wan), family, CUT_ON_DOWN[this.#parts.onDown]);
  }

  /**
   * Cuts the connections of WANs that the configuration has no more, so that clients make them again: no rule and no route
   * is theirs any longer, and by another WAN their source address would be wrong. Never rejects.
   */
  async gone(wans: readonly Wan[]): Promise<void> {
    const cuts = wans.flatMap((wan) =>
      FAMILIES.filter((one) => carries(wan, one)).map((one) => [wan, one] as const),
    );
    await Promise.all(cuts.map(([wan, family]) => this.#cut(wan, family, {})));
  }

  /**
   * Acts on a suspicion, which the states know already: connections without an answer go another way with their next
   * packet, and nothing that was ever answered is touched. Never rejects.
   */
  async suspicionChanged({ wan: name, family, reason, suspected }: SuspicionChange): Promise<void> {
    const { logger, balancer, follow, states } = this.#parts;
    const wan = this.#named(name);
    this.#noteSuspicion(targetId(name, family), { wan: name, family, reason, suspected });
    if (!suspected) {
      logger.info({ wan: name, family, reason }, 'wan not suspected any more');
      return follow();
    }
    logger.warn({ wan: name, family, reason }, 'wan suspected');
    if (wan !== undefined) balancer.forget(wan.mark);
    await Promise.all([this.#cut(wan, family, UNANSWERED), follow()]);
    // Until the rules followed, the kernel's own choice may have given it connections that nobody here knows of.
    if (states.suspicion(targetId(name, family)) !== undefined) await this.#cut(wan, family, UNANSWERED);
  }

  async #act(wan: Wan, change: UplinkChange): Promise<void> {
    const { logger } = this.#parts;
    const { family, up } = change;
    const lasted = Math.round(change.lastedMs / 1000);
    const line = { wan: wan.name, family, reason: change.reason, since: sinceDate(change.since), lasted };
    const note = () =>
      this.#events.note({
        kind: 'state',
        target: wan.name,
        family,
        state: up ? 'up' : 'down',
        reason: change.reason,
        lastedSeconds: lasted,
      });
    if (up) {
      await this.#wentUp(wan, change, () => {
        logger.info(line, 'wan up');
        note();
      });
    } else {
      logger.warn(line, 'wan down');
      note();
      await this.#wentDown(wan, change);
    }
  }

  async #wentDown(wan: Wan, { family, brief }: UplinkChange): Promise<void> {
    const { onDown, balancer, follow } = this.#parts;
    balancer.forget(wan.mark);
    // Packets without an answer yet are decided anew at their next retransmission.
    await Promise.all([this.#cut(wan, family, UNANSWERED), follow()]);
    // The WAN may be up again by now.
    if (!brief && this.#isLost(targetId(wan.name, family))) await this.#cut(wan, family, CUT_ON_DOWN[onDown]);
  }

  /** The rules come first, since the device, and with it the route, may have been away. */
  async #wentUp(wan: Wan, change: UplinkChange, say: () => void): Promise<void> {
    const { family } = change;
    const id = targetId(wan.name, family);
    await this.#parts.follow();
    // After another change meanwhile, that change does the rest: the rules must come first again.
    if (this.#latest.get(id) !== change) return;
    const { states, balancer, mover } = this.#parts;
    const before = balancer.candidates(family);
    states.admit(id);
    say();
    // Moving takes its time, and nobody has to wait for it.
    void mover.move(this.#replaced(before, family), family);
  }

  /**
   * The WANs that gave way to one that came up: those of a higher tier. When no WAN was up before, connections went by
   * the last resort; they count as those of the WAN whose device the main table led to (WANMARK_SAVE), which is still
   * down.
   */
  #replaced(before: ReadonlySet<string>, family: Family): readonly Wan[] {
    const { wans, balancer } = this.#parts;
    const now = balancer.candidates(family);
    const isLost = (wan: Wan) => carries(wan, family) && this.#isLost(targetId(wan.name, family));
    const gone = wans.filter(({ name }) => before.has(name) && !now.has(name));
    return before.size > 0 ? gone : wans.filter(isLost);
  }

  /** Whether a WAN is down, and not only for a moment. */
  #isLost(id: TargetId): boolean {
    const { states } = this.#parts;
    return states.down.has(id) && !states.state(id).brief;
  }

  /** Undefined for one that is gone, of which something is still on its way. */
  #named(name: string): Wan | undefined {
    return this.#parts.wans.find((wan) => wan.name === name);
  }

  #noteSuspicion(id: TargetId, { wan, family, reason, suspected }: SuspicionChange): void {
    const now = Date.now();
    const since = this.#suspected.get(id);
    if (suspected) this.#suspected.set(id, now);
    else this.#suspected.delete(id);
    const state = suspected ? 'suspected' : 'up';
    const lastedSeconds = suspected || since === undefined ? null : Math.round((now - since) / 1000);
    this.#events.note({ kind: 'state', target: wan, family, state, reason, lastedSeconds });
  }

  /** Cuts connections of a WAN, unless there is no other WAN: then they may as well wait for this one. */
  async #cut(wan: Wan | undefined, family: Family, selection: Selection): Promise<void> {
    const { field, balancer, logger } = this.#parts;
    if (wan === undefined || balancer.candidates(family).size === 0) return;
    try {
      const flushed = await this.#flush(field.encode(wan.mark), field.mask, { ...selection, family });
      noteCut(this.#events, { target: wan.name, family, selection, flushed });
    } catch (error) {
      logger.error(`connections of WAN ${wan.name} could not be cut: ${(error as Error).message}`);
    }
  }
}
