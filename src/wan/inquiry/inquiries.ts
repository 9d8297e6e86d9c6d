import type { CheckConfig } from '../../config/check.js';
import { formatEndpoint } from '../../core/endpoint.js';
import { FAMILIES, type Family } from '../../core/family.js';
import { type TargetId, targetId } from '../../core/target.js';
import type { NeighbourGateway } from '../../system/gateways.js';
import type { Check, CheckPath } from '../check/check.js';
import { NameCache } from '../check/names.js';
import { makeCheck } from '../checks.js';
import type { Clock } from '../clock.js';
import { FIRST_SYN_MS } from '../passive/answer-times.js';
import type { Destinations } from '../passive/destinations.js';
import type { Doubt, Evidence } from '../passive/evidence.js';
import { Budget } from './budget.js';
import { type Answer, Inquiry, type Ruling } from './inquiry.js';
import { Pace } from './pace.js';
import type { Question } from './question.js';
import { reach } from './reach.js';

/** How many destinations of clients are asked, and how many targets of checks. */
const MOST_DESTINATIONS = 4;
const MOST_TARGETS = 4;
/** How long a WAN is avoided that cannot be asked, although several clients and networks speak against it. */
const BLIND_MS = 10_000;
/** The time limit of a probe that only measures how long an answer takes. */
const AGAIN_MS = 3000;

/** What an inquiry found of a WAN, or that it began because of a doubt. */
export interface InquiryResult {
  readonly wan: string;
  readonly family: Family;
  readonly ruling: Ruling;
  /** The doubt that began the inquiry. */
  readonly doubt: Doubt;
}

/** The checks, whether destinations may be asked, and whether a WAN may be found dead are read anew each time. */
export interface InquiriesOptions {
  readonly checks: readonly CheckConfig[];
  /** Whether the destinations of clients may be asked. */
  readonly asksDestinations: boolean;
  readonly evidence: Readonly<Record<Family, Evidence>>;
  readonly destinations: Readonly<Record<Family, Destinations>>;
  /** The WANs that work in a family as far as devices and checks know, and get new connections when they do. */
  readonly working: (family: Family) => readonly string[];
  /** Whether a WAN is suspected. */
  readonly isSuspected: (id: TargetId) => boolean;
  readonly path: (wan: string, family: Family) => CheckPath | undefined;
  /** A WAN's gateway, where it is a neighbour. */
  readonly gateway: (wan: string, family: Family) => NeighbourGateway | undefined;
  /** Whether a WAN may be found dead. */
  readonly mayFindDead: boolean;
  readonly clock: Clock;
  /** How the targets of checks are asked. */
  readonly makeCheck?: typeof makeCheck;
  /** How the destinations of clients are asked. */
  readonly reach?: Check;
  readonly onFinding: (finding: InquiryResult) => void;
}

/** Asks about the WANs that are in doubt, each family apart. */
export class Inquiries {
  readonly #options: InquiriesOptions;
  readonly #running = new Map<TargetId, Inquiry>();
  readonly #blind = new Map<TargetId, () => void>();
  readonly #paces = new Map<TargetId, Pace>();
  readonly #budget = new Budget();
  readonly #ending = new AbortController();
  #checked: readonly {
    readonly wan: string;
    readonly family: Family;
    readonly question: Question;
  }[] = [];

  constructor(options: InquiriesOptions) {
    this.#options = options;
    this.followChecks();
  }

  /** To be called when the checks are others. */
  followChecks(): void {
    const { checks, makeCheck: make = makeCheck } = this.#options;
    this.#checked = checks.flatMap((config) => questionsOf(config, make));
  }

  /** Begins inquiries where the evidence raises a doubt, and ends those that it answers. */
  consider(family: Family): void {
    const { working, evidence, isSuspected, clock } = this.#options;
    const now = clock.now();
    const names = working(family);
    for (const wan of names) {
      const id = targetId(wan, family);
      const running = this.#running.get(id);
      if (running !== undefined) {
        if (evidence[family].answeredUpTo(wan) > running.beganAt) running.heard();
        continue;
      }
      if (this.#blind.has(id)) continue;
      const others = names.filter((one) => one !== wan && !isSuspected(targetId(one, family)));
      if (others.length === 0) continue;
      const doubt = evidence[family].doubt(wan, others, now);
      if (doubt !== undefined && this.#pace(id).mayAsk(doubt.broad, now)) this.#begin(wan, family, doubt);
    }
  }

  /** Goes on to ask about a WAN that an earlier daemon asked about. @returns whether there is anybody to ask */
  resume(wan: string, family: Family, doubt: Doubt): boolean {
    if (this.#running.has(targetId(wan, family))) return true;
    this.#begin(wan, family, doubt);
    return this.#questions(wan, family).length > 0;
  }

  /** Ends the inquiry about a WAN, since another source knows better or the WAN is up again. */
  end(wan: string, family: Family): void {
    const id = targetId(wan, family);
    this.#running.get(id)?.stop();
    this.#running.delete(id);
    this.#blind.get(id)?.();
    this.#blind.delete(id);
  }

  stop(): void {
    this.#ending.abort();
    for (const inquiry of this.#running.values()) inquiry.stop();
    for (const cancel of this.#blind.values()) cancel();
    this.#running.clear();
    this.#blind.clear();
  }

  #begin(wan: string, family: Family, doubt: Doubt): void {
    const { evidence, path, mayFindDead, gateway, clock } = this.#options;
    const id = targetId(wan, family);
    if (this.#questions(wan, family).length === 0) {
      if (doubt.broad) this.#avoidBlindly(wan, family, doubt);
      return;
    }
    const inquiry = new Inquiry({
      wan,
      family,
      others: () => this.#others(wan, family),
      questions: (asked) => this.#questions(wan, family, asked),
      path,
      usualMs: evidence[family].times(wan).usualMs(clock.now()),
      mayFindDead,
      gateway: () => gateway(wan, family),
      clock,
      onRuling: (ruling) => this.#ruled({ wan, family, ruling, doubt }),
    });
    this.#running.set(id, inquiry);
  }

  #ruled(finding: InquiryResult): void {
    const { wan, family, ruling } = finding;
    const { clock, evidence, isSuspected } = this.#options;
    const id = targetId(wan, family);
    const now = clock.now();
    if (ruling.kind === 'answered' && ruling.answer !== undefined)
      void this.#time(wan, family, ruling.answer);
    const inquiry = this.#running.get(id);
    if (inquiry?.isOver) {
      this.#running.delete(id);
      if (isSuspected(id)) this.#pace(id).wasNeeded(now);
      else this.#pace(id).wasVain(now);
      evidence[family].restart(wan, now);
    }
    this.#options.onFinding(finding);
  }

  /**
   * Learns how long the WAN takes to answer. A long time is measured once more: a WAN that is back after an outage seems
   * slow to the probes of before, whose SYNs it answered only when they were sent again (Karn's algorithm, RFC 6298).
   */
  async #time(wan: string, family: Family, { question, rttMs }: Answer): Promise<void> {
    const { evidence, path, clock } = this.#options;
    let timeMs = rttMs;
    if (timeMs !== undefined && timeMs >= FIRST_SYN_MS) {
      const way = path(wan, family);
      if (way === undefined || !question.spend()) return;
      const again = await question
        .check(question.target, way, AGAIN_MS, this.#ending.signal)
        .catch(() => undefined);
      timeMs = again?.ok ? again.rttMs : undefined;
    }
    if (timeMs !== undefined) evidence[family].times(wan).probed(timeMs, clock.now());
  }

  /** Nobody can be asked, so the WAN is avoided for a while and then given connections again. */
  #avoidBlindly(wan: string, family: Family, doubt: Doubt): void {
    const { clock, onFinding } = this.#options;
    const id = targetId(wan, family);
    const cancel = clock.after(BLIND_MS, () => {
      this.#blind.delete(id);
      this.#pace(id).wasVain(clock.now());
      this.#options.evidence[family].restart(wan, clock.now());
      onFinding({ wan, family, doubt, ruling: { kind: 'unknown' } });
    });
    this.#blind.set(id, cancel);
    onFinding({ wan, family, doubt, ruling: { kind: 'suspected', asked: 'nobody could be asked' } });
  }

  /** The other WANs that work, those that answered last first. */
  #others(wan: string, family: Family): readonly string[] {
    const { working, isSuspected, evidence } = this.#options;
    const others = working(family).filter((one) => one !== wan && !isSuspected(targetId(one, family)));
    return others.sort((a, b) => evidence[family].heardAt(b) - evidence[family].heardAt(a));
  }

  #questions(wan: string, family: Family, networks?: ReadonlySet<string>): readonly Question[] {
    const { asksDestinations, destinations, clock, reach: check = reach } = this.#options;
    const checked = this.#checked
      .filter((one) => one.family === family && (one.wan === 'all' || one.wan === wan))
      .slice(0, MOST_TARGETS)
      .map(({ question }) => question);
    if (!asksDestinations) return checked;
    const picked = destinations[family].pick(wan, MOST_DESTINATIONS, clock.now(), networks);
    const asked = picked.map(({ address, port, network }): Question => {
      const target = formatEndpoint(family, address, port);
      const spend = () => this.#budget.spend(network, clock.now());
      return { text: target, network, check, target, spend };
    });
    return [...checked, ...asked];
  }

  #pace(id: TargetId): Pace {
    let pace = this.#paces.get(id);
    if (pace === undefined) {
      pace = new Pace();
      this.#paces.set(id, pace);
    }
    return pace;
  }
}

/** The targets of a check as questions. A script is left out: it may take long, and do more than ask. */
function questionsOf(config: CheckConfig, make: typeof makeCheck) {
  if (config.kind === 'script') return [];
  const check = make(config, { names: new NameCache() });
  return FAMILIES.flatMap((family) =>
    config.targets[family].map((target) => {
      const text = `${config.kind} ${target}`;
      const question: Question = { text, network: text, check, target, spend: () => true };
      return { wan: config.wan, family, question };
    }),
  );
}
