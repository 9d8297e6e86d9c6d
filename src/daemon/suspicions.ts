import type { HealthConfig } from '../config/health.js';
import { isProbePort } from '../conntrack/probe-ports.js';
import { forget, lookup } from '../conntrack/requests.js';
import { FAMILIES, type Family } from '../core/family.js';
import type { Flow } from '../core/flow.js';
import type { MarkField } from '../core/mark.js';
import type { States } from '../core/states.js';
import { splitTargetId, type TargetId, targetId } from '../core/target.js';
import type { Tuple } from '../core/tuple.js';
import type { Wan } from '../core/wan.js';
import type { NeighbourGateway } from '../system/gateways.js';
import type { CheckPath } from '../wan/check/check.js';
import type { Clock } from '../wan/clock.js';
import { Inquiries, type InquiriesOptions, type InquiryResult } from '../wan/inquiry/inquiries.js';
import { Destinations } from '../wan/passive/destinations.js';
import { type Doubt, Evidence } from '../wan/passive/evidence.js';
import type { Watch, WatchOptions } from '../wan/passive/watch.js';
import { type Conntrack, watchTargets } from './watch-targets.js';

/** A change of a WAN's suspicion. */
export interface SuspicionChange {
  readonly wan: string;
  readonly family: Family;
  /** Why it is suspected, or why it is not any more. */
  readonly reason: string;
  readonly suspected: boolean;
}

export interface SuspicionsParts {
  readonly wans: readonly Wan[];
  readonly field: MarkField;
  readonly health: HealthConfig;
  readonly states: States;
  readonly clock: Clock;
  /** The WANs that work in a family as far as devices and checks know, and get new connections when they do. */
  readonly working: (family: Family) => readonly string[];
  /** Whether another WAN could have a connection of `wan`. */
  readonly hasOther: (wan: string, family: Family) => boolean;
  readonly path: (wan: string, family: Family) => CheckPath | undefined;
  /** A WAN's gateway, where it is a neighbour. */
  readonly gateway: (wan: string, family: Family) => NeighbourGateway | undefined;
  /** Drops the remembered decisions for a WAN. @param mark its number */
  readonly forget: (mark: number) => void;
  /** See {@link WatchOptions.onMove}. */
  readonly onMove?: WatchOptions['onMove'];
  /** Told after the states know it. */
  readonly onChange: (change: SuspicionChange) => void;
  /** Told what asking says of a WAN that it found dead: that it is, or that it answers again. */
  readonly onAsked: (wan: string, family: Family, verdict: { up: boolean; reason: string }) => void;
  /** The kernel and the network; tests have their own. */
  readonly outside?: Outside;
}

/** What suspicions need from outside of the process. */
export interface Outside extends Conntrack, Pick<InquiriesOptions, 'makeCheck' | 'reach'> {
  /** Returns 0 up to 1. */
  readonly random?: () => number;
}

/**
 * Judges WANs by the fate of clients' connections, and never by that alone: evidence begins an inquiry, and what is asked
 * decides. A suspected WAN gets no new connections while another works; only an inquiry that several networks confirm
 * calls it dead.
 */
export class Suspicions {
  readonly #parts: SuspicionsParts;
  readonly #evidence: Readonly<Record<Family, Evidence>> = { 4: new Evidence(), 6: new Evidence() };
  readonly #destinations: Readonly<Record<Family, Destinations>>;
  #watch: Watch | undefined;
  #inquiries: Inquiries | undefined;
  /** The WANs that inquiries found dead and that are not up again. */
  readonly #dead = new Set<TargetId>();

  constructor(parts: SuspicionsParts) {
    this.#parts = parts;
    const { random } = parts.outside ?? {};
    this.#destinations = { 4: new Destinations(random), 6: new Destinations(random) };
    this.#watch = this.#openWatch();
    this.#inquiries = this.#openInquiries();
  }

  /**
   * Goes on with what an earlier daemon's connections said of a WAN. One that was found dead stays so as long as somebody
   * can be asked, and otherwise is avoided for a while.
   */
  resume(wan: string, family: Family, reason: string, wasDead: boolean): void {
    const doubt: Doubt = { reason, broad: true };
    const canAsk = this.#inquiries?.resume(wan, family, doubt) === true;
    if (!canAsk) return;
    if (wasDead) {
      this.#dead.add(targetId(wan, family));
      this.#parts.onAsked(wan, family, { up: false, reason });
    } else this.#suspect(wan, family, reason);
  }

  /** The WANs that are down because of what was asked. */
  get dead(): ReadonlySet<TargetId> {
    return this.#dead;
  }

  /** To be called when the WANs, or how they are judged, are others. */
  follow(): void {
    const names = new Set(this.#parts.wans.map(({ name }) => name));
    for (const id of this.#dead) {
      const { name, family } = splitTargetId(id);
      if (names.has(name)) continue;
      this.#dead.delete(id);
      this.#inquiries?.end(name, family);
    }
    if (this.#asks) {
      this.#inquiries ??= this.#openInquiries();
      this.#inquiries?.followChecks();
    } else {
      this.#inquiries?.stop();
      this.#inquiries = undefined;
      this.#clearAll();
    }
    if (this.#watches) this.#watch ??= this.#openWatch();
    else {
      this.#watch?.stop();
      this.#watch = undefined;
    }
  }

  /** Alone, a WAN has nothing that it could be compared with, or replaced by. */
  get #watches(): boolean {
    const { wans, health } = this.#parts;
    return wans.length > 1 && (health.passive !== 'off' || health.secondChance);
  }

  get #asks(): boolean {
    return this.#watches && this.#parts.health.passive !== 'off';
  }

  #openInquiries(): Inquiries | undefined {
    if (!this.#asks) return undefined;
    const parts = this.#parts;
    const { states, clock, working, path, gateway } = parts;
    return new Inquiries({
      ...parts.outside,
      get checks() {
        return parts.health.checks;
      },
      get asksDestinations() {
        return parts.health.probeClientsDestinations;
      },
      get mayFindDead() {
        return parts.health.passive === 'on';
      },
      evidence: this.#evidence,
      destinations: this.#destinations,
      working,
      isSuspected: (id) => states.suspicion(id) !== undefined,
      path,
      gateway,
      clock,
      onFinding: (finding) => this.#found(finding),
    });
  }

  #openWatch(): Watch | undefined {
    if (!this.#watches) return undefined;
    const parts = this.#parts;
    const { field, clock, hasOther, outside = { lookup, forget } } = parts;
    return watchTargets({
      get targets() {
        return parts.wans;
      },
      field,
      conntrack: outside,
      forget: parts.forget,
      mayMove: (wan, family) => parts.health.secondChance && hasOther(wan, family),
      evidence: this.#evidence,
      destinations: this.#destinations,
      clock,
      ...(outside.random && { random: outside.random }),
      ...(parts.onMove && { onMove: parts.onMove }),
      onEvidence: () => {
        for (const family of FAMILIES) this.#inquiries?.consider(family);
      },
    });
  }

  /** Takes back all that connections have said, since nobody asks any more. */
  #clearAll(): void {
    const { wans, onAsked } = this.#parts;
    const reason = 'not judged by connections any more';
    for (const id of this.#dead) {
      const { name, family } = splitTargetId(id);
      onAsked(name, family, { up: true, reason });
    }
    this.#dead.clear();
    for (const { name } of wans) for (const family of FAMILIES) this.#clear(name, family, reason);
  }

  /** The WANs that did not answer this connection before. */
  tried(flow: Flow): ReadonlySet<string> | undefined {
    return this.#watch?.tried(flow);
  }

  /** Notes that a new connection was given to a WAN. */
  decided(wan: string, flow: Flow, ageMs = 0): void {
    this.#watch?.decided(wan, flow, ageMs);
  }

  /** Does what {@link Watch.decidedByKernel} says. */
  decidedByKernel(flow: Flow, ageMs: number): void {
    this.#watch?.decidedByKernel(flow, ageMs);
  }

  /** Does what {@link Watch.unreachable} says. @param number that of the WAN */
  unreachable(tuple: Tuple, number: number): boolean {
    // A probe has to hear the truth about its WAN, and is nobody's connection.
    if (isProbePort(tuple.proto, tuple.sport)) return false;
    const wan = this.#parts.wans.find(({ mark }) => mark === number)?.name;
    return wan !== undefined && this.#watch?.unreachable(wan, tuple) === true;
  }

  /** To be called when a WAN's state changed: earlier connections say nothing about the present. */
  changed(wan: string, family: Family, up: boolean): void {
    const id = targetId(wan, family);
    // A WAN that asking found dead is asked on until it is up.
    if (!up && this.#dead.has(id)) return;
    this.#dead.delete(id);
    this.#inquiries?.end(wan, family);
    this.#evidence[family].restart(wan, this.#parts.clock.now());
    this.#parts.states.suspect(id, undefined);
  }

  stop(): void {
    this.#watch?.stop();
    this.#inquiries?.stop();
  }

  #found({ wan, family, ruling, doubt }: InquiryResult): void {
    const id = targetId(wan, family);
    const { onAsked } = this.#parts;
    switch (ruling.kind) {
      case 'suspected':
        // One that an earlier daemon found dead is asked from the beginning.
        if (this.#dead.has(id)) break;
        this.#suspect(wan, family, `${doubt.reason}; ${ruling.asked}`);
        break;
      case 'dead':
        this.#dead.add(id);
        onAsked(wan, family, { up: false, reason: `${doubt.reason}; ${ruling.asked}` });
        break;
      case 'answered':
        if (this.#dead.has(id)) onAsked(wan, family, { up: true, reason: ruling.asked });
        else this.#clear(wan, family, ruling.asked);
        break;
      case 'unknown': {
        const reason = 'it is tried again, since nobody could be asked';
        if (this.#dead.has(id)) onAsked(wan, family, { up: true, reason });
        else this.#clear(wan, family, reason);
        break;
      }
    }
  }

  #suspect(wan: string, family: Family, reason: string): void {
    const { states, clock, onChange } = this.#parts;
    states.suspect(targetId(wan, family), { since: clock.now(), reason });
    onChange({ wan, family, reason, suspected: true });
  }

  #clear(wan: string, family: Family, reason: string): void {
    const { states, onChange } = this.#parts;
    const id = targetId(wan, family);
    if (states.suspicion(id) === undefined) return;
    states.suspect(id, undefined);
    onChange({ wan, family, reason, suspected: false });
  }
}
