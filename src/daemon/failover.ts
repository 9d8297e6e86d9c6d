import type { Logger } from 'pino';
import type { Config } from '../config/config.js';
import { flush, type Selection } from '../conntrack/requests.js';
import { FAMILIES, type Family } from '../core/family.js';
import type { Selector } from '../core/selector.js';
import { carries, type Wan } from '../core/wan.js';
import type { Mover } from './mover.js';
import { sinceDate } from './uplink-status.js';
import type { UplinkChange } from './uplinks.js';

const UDP = 17;
/** A connection that was never answered can still go another way, without the client noticing. */
const UNANSWERED: Selection = { unanswered: true };
const SELECTIONS: Readonly<Record<Config['onDown'], Selection>> = {
  all: {},
  udp: { ...UNANSWERED, proto: UDP },
  none: UNANSWERED,
};

export interface FailoverParts {
  readonly config: Pick<Config, 'wans' | 'field' | 'onDown'>;
  readonly selector: Selector;
  readonly logger: Logger;
  /** Drops the remembered decisions of a mark. */
  readonly forget: (mark: number, mask: number) => void;
  /** Takes WANs out of the kernel's own choice; see {@link RulesKeeper.setDown}. */
  readonly setDown: (down: readonly string[]) => Promise<void>;
  /** Takes back what the WANs have that are candidates no more. */
  readonly mover: Pick<Mover, 'move'>;
  readonly flush?: typeof flush;
}

/**
 * Acts on a WAN's change of state. Down: first nobody chooses it any more, neither the daemon nor the kernel; then its
 * connections are cut, so that the clients make them again, by another one. Were it the other way round, they could come
 * back to it. Up: first the rules and its route, then the daemon chooses it, then connections of the WANs that it
 * replaces are moved.
 */
export class Failover {
  readonly #parts: FailoverParts;
  readonly #flush: typeof flush;
  /** What is down, known before the selector is told that something is up again. */
  readonly #down = { 4: new Set<Wan>(), 6: new Set<Wan>() };
  /** Of what acts for a while: whether it is still of use. */
  readonly #latest = { 4: new Map<Wan, UplinkChange>(), 6: new Map<Wan, UplinkChange>() };

  constructor(parts: FailoverParts) {
    this.#parts = parts;
    this.#flush = parts.flush ?? flush;
  }

  /** @returns when everything is done; what is down is no candidate when the call returns. Never rejects. */
  async changed(change: UplinkChange): Promise<void> {
    const { config, logger } = this.#parts;
    const { family, up } = change;
    const wan = config.wans.find(({ name }) => name === change.wan)!;
    const lasted = Math.round(change.lastedMs / 1000);
    const line = { wan: wan.name, family, reason: change.reason, since: sinceDate(change.since), lasted };
    this.#latest[family].set(wan, change);
    if (up) {
      this.#down[family].delete(wan);
      await this.#wentUp(wan, change, () => logger.info(line, 'wan up'));
    } else {
      this.#down[family].add(wan);
      logger.warn(line, 'wan down');
      await this.#wentDown(wan, family);
    }
  }

  async #wentDown(wan: Wan, family: Family): Promise<void> {
    const { config, selector, forget, setDown } = this.#parts;
    selector.setDown(wan, family, true);
    forget(config.field.encode(wan.mark), config.field.mask);
    // What waits for its first answer is decided again when it is sent again, with the next retransmission.
    await Promise.all([this.#cut(wan, family, UNANSWERED), setDown(this.down())]);
    // It may be up again by now.
    if (this.#down[family].has(wan)) await this.#cut(wan, family, SELECTIONS[config.onDown]);
  }

  /** The device may have been away, and with it the route: the rules come first. */
  async #wentUp(wan: Wan, change: UplinkChange, say: () => void): Promise<void> {
    const { family } = change;
    await this.#parts.setDown(this.down());
    // Should it have failed since, and be up once more, the rules have to come first once more.
    if (this.#latest[family].get(wan) !== change) return;
    const { selector, mover } = this.#parts;
    const before = selector.candidates(family);
    selector.setDown(wan, family, false);
    say();
    // Takes its time, for which nobody has to wait.
    void mover.move(this.#replaced(before, family), family);
  }

  /**
   * The WANs that gave way to one that came up: those of a higher tier. Where there was none, the last resort had the
   * connections: they are of the WAN whose device the main table led to (WANMARK_SAVE), and that is still down.
   */
  #replaced(before: readonly Wan[], family: Family): readonly Wan[] {
    const { config, selector } = this.#parts;
    const now = selector.candidates(family);
    const gone = before.filter(({ mark }) => !now.some((one) => one.mark === mark));
    const lost =
      before.length > 0
        ? []
        : config.wans.filter((wan) => carries(wan, family) && this.#down[family].has(wan));
    return [...gone, ...lost];
  }

  /** What is down now, as WANMARK_DOWN names it. */
  down(): readonly string[] {
    const { config } = this.#parts;
    return config.wans.flatMap((wan) => {
      const down = FAMILIES.filter((family) => carries(wan, family) && this.#down[family].has(wan));
      const all = FAMILIES.every((family) => !carries(wan, family) || down.includes(family));
      return all && down.length > 0 ? [wan.name] : down.map((family) => `${wan.name}:${family}`);
    });
  }

  /** Unless there is no other WAN: then they might as well wait for this one. */
  async #cut(wan: Wan, family: Family, selection: Selection): Promise<void> {
    const { config, selector, logger } = this.#parts;
    const { field } = config;
    if (!selector.serves(family)) return;
    try {
      await this.#flush(field.encode(wan.mark), field.mask, { ...selection, family });
    } catch (error) {
      logger.error(`connections of WAN ${wan.name} could not be cut: ${(error as Error).message}`);
    }
  }
}
