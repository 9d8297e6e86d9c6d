import { setMaxListeners } from 'node:events';
import type { Family } from '../../core/family.js';
import { askGateway, isGatewaySilent, type NeighbourGateway } from '../../system/gateways.js';
import type { NeighbourProbing } from '../../system/rtnetlink/kernel.js';
import type { CheckPath } from '../check/check.js';
import type { Clock } from '../clock.js';
import type { Question } from './question.js';

/** When rounds are sent, in ms after the one before; the last pause doubles from then on. */
const PAUSES_MS = [150, 250, 350, 500, 500, 500, 500, 1000, 1000] as const;
const LONGEST_PAUSE_MS = 15_000;
/**
 * So many rounds ask the same questions. Then others take their place, since a client that means harm may have chosen
 * the first ones.
 */
const SAME_ROUNDS = 4;
/** Of the later rounds, one in so many asks everything, so that a WAN that stays suspected may be found dead after all. */
const FULL_EVERY = 20;
/** Older probes are not needed. */
const MOST_PROBES = 200;
/** The pause while a WAN that was dead answers again, until it is up. */
const ANSWERS_PAUSE_MS = 2000;
/** A round sends so many probes at least, so that one lost packet is no silence. */
const LEAST_PER_ROUND = 3;
/** So many unanswered probes make a WAN suspected; with 30 % loss each way, one in eight such rounds fails by chance. */
const LEAST_SUSPECTED = 3;
/** So many probes and so much time make it dead; with 30 % loss each way, chance does that once in a million inquiries. */
const LEAST_DEAD = 20;
const LEAST_DEAD_MS = 2500;
/** So many networks that other WANs reach must be silent: one server, or one network, may refuse the WAN's address. */
const LEAST_NETWORKS = 2;
/** An answer may take this long; a WAN that takes longer than usual is slow, not dead. */
const TIMEOUT_MS = 3000;
/** Without an answer by another WAN within this time, nothing can be said. */
const UNKNOWN_MS = 3500;
/** What another WAN reached counts for so long; after that it is asked again. */
const REACHED_MS = 10_000;
/** An answer gets this much time at least. */
const LEAST_WAIT_MS = 400;
/** A later timer means that this process stood still. */
const LATE_MS = 100;
/** How many questions a reason names. */
const MOST_NAMED = 3;
/** Of the other WANs, so many are asked. */
const MOST_OTHERS = 2;

/** A question that the WAN answered. */
export interface Answer {
  readonly question: Question;
  readonly rttMs: number | undefined;
}

/**
 * What an inquiry finds.
 * - `answered`: the WAN answered; the inquiry goes on only after `dead`
 * - `suspected`: it is silent while another WAN is answered
 * - `dead`: it stays silent, and several networks say so
 * - `unknown`: nobody answers, so nothing can be said; the inquiry is over
 */
export type Ruling =
  | { readonly kind: 'answered'; readonly asked: string; readonly answer: Answer | undefined }
  | { readonly kind: 'suspected' | 'dead'; readonly asked: string }
  | { readonly kind: 'unknown' };

export interface InquiryOptions {
  readonly wan: string;
  readonly family: Family;
  /** The other WANs that work, those that answered last first. */
  readonly others: () => readonly string[];
  /** What can be asked now. @param asked the networks that should rather not be asked again */
  readonly questions: (asked: ReadonlySet<string>) => readonly Question[];
  readonly path: (wan: string, family: Family) => CheckPath | undefined;
  /** How long an answer of the WAN usually takes at most, in ms. */
  readonly usualMs: number;
  /** Whether it may find the WAN dead. */
  readonly mayFindDead: boolean;
  /** The WAN's gateway, where it is a neighbour. */
  readonly gateway: () => NeighbourGateway | undefined;
  readonly neighbours?: NeighbourProbing;
  readonly clock: Clock;
  readonly onRuling: (ruling: Ruling) => void;
}

interface Probe {
  readonly question: Question;
  readonly sentAt: number;
  silent: boolean;
}

/**
 * Asks by one WAN, and by others to compare, until it is clear whether the WAN works: several things in parallel, at once
 * and again. An answer by the WAN ends a doubt in that moment. A WAN that was found suspected or dead is asked on, ever
 * less often, so it comes back by an answer and not by clients' connections.
 */
export class Inquiry {
  readonly #options: InquiryOptions;
  /** How long to wait for an answer before silence means something. */
  readonly #waitMs: number;
  readonly #abort = new AbortController();
  readonly beganAt: number;
  #questions: readonly Question[] = [];
  #probes: Probe[] = [];
  /** When another WAN last reached each network. */
  readonly #reached = new Map<string, number>();
  #sent = 0;
  #answers = 0;
  #silentSince: number;
  #phase: 'asking' | 'suspected' | 'dead' | 'answers again' = 'asking';
  #round = 0;
  #cancels = new Set<() => void>();
  #texts = new Set<string>();
  /** The networks that were asked. */
  readonly #networks = new Set<string>();

  constructor(options: InquiryOptions) {
    this.#options = options;
    this.#waitMs = Math.max(options.usualMs, LEAST_WAIT_MS);
    this.beganAt = options.clock.now();
    this.#silentSince = this.beganAt;
    setMaxListeners(0, this.#abort.signal);
    const gateway = options.gateway();
    if (gateway !== undefined) askGateway(gateway, options.neighbours);
    this.#ask();
  }

  get isOver(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Ends it without a ruling. May be called again. */
  stop(): void {
    this.#abort.abort();
    for (const cancel of this.#cancels) cancel();
    this.#cancels.clear();
  }

  /** Takes in that a client's new connection was answered by the WAN. */
  heard(): void {
    if (!this.isOver) this.#answered(undefined, 'a new connection was answered');
  }

  #after(ms: number, callback: () => void): void {
    const cancel = this.#options.clock.after(ms, () => {
      this.#cancels.delete(cancel);
      callback();
    });
    this.#cancels.add(cancel);
  }

  #ask(): void {
    const now = this.#options.clock.now();
    const isLater = this.#phase !== 'answers again' && this.#round > PAUSES_MS.length;
    const renews = this.#phase !== 'answers again' && this.#round % SAME_ROUNDS === 0;
    if (isLater || renews || this.#questions.length === 0) {
      this.#questions = this.#options.questions(this.#networks);
      for (const { network } of this.#questions) this.#networks.add(network);
    }
    const all = this.#questions;
    if (isLater && (this.#phase === 'dead' || this.#round % FULL_EVERY !== 0)) {
      // Questions are limited, and now it only matters when the WAN answers again.
      const one = all[this.#round % all.length];
      if (one !== undefined) this.#askBy(this.#options.wan, one, now);
    } else this.#askAll(all, now);
    // An answer that takes as long as usual comes before the judgement.
    this.#judgeAfter(this.#waitMs);
    this.#after(this.#pauseMs(), () => this.#ask());
  }

  /** Asks everything by the WAN, and by others what they have not reached lately. */
  #askAll(all: readonly Question[], now: number): void {
    const { wan, others } = this.#options;
    for (const question of all) this.#texts.add(question.text);
    // With few questions each is asked more than once.
    const repeated =
      all.length === 0 ? [] : Array.from({ length: Math.max(1, Math.ceil(LEAST_PER_ROUND / all.length)) });
    for (const question of repeated.flatMap(() => all)) this.#askBy(wan, question, now);
    const unreached = all.filter(
      ({ network }) => (this.#reached.get(network) ?? -REACHED_MS) <= now - REACHED_MS,
    );
    for (const other of others().slice(0, MOST_OTHERS)) {
      for (const question of unreached) this.#askBy(other, question, now);
    }
  }

  #pauseMs(): number {
    if (this.#phase === 'answers again') return ANSWERS_PAUSE_MS;
    const at = this.#round++;
    const given = PAUSES_MS[at];
    return given ?? Math.min(LONGEST_PAUSE_MS, 1000 * 2 ** (at - PAUSES_MS.length + 1));
  }

  #askBy(wan: string, question: Question, now: number): void {
    const { path, family } = this.#options;
    const way = path(wan, family);
    if (way === undefined || !question.spend()) return;
    const isSuspect = wan === this.#options.wan;
    const sent: Probe = { question, sentAt: now, silent: true };
    if (isSuspect) {
      this.#sent++;
      this.#probes.push(sent);
      if (this.#probes.length > MOST_PROBES) this.#probes.shift();
    }
    void question.check(question.target, way, TIMEOUT_MS, this.#abort.signal).then(
      ({ ok, rttMs, inconclusive }) => {
        if (this.isOver) return;
        if (ok || inconclusive) sent.silent = false;
        if (!ok) return;
        if (isSuspect) {
          this.#answers++;
          this.#answered({ question, rttMs }, `${question.text} answered`);
        } else this.#reached.set(question.network, this.#options.clock.now());
      },
      // A check must not reject. If one does it is broken, which says nothing about the WAN.
      () => {
        sent.silent = false;
      },
    );
  }

  #answered(answer: Answer | undefined, asked: string): void {
    const { clock, onRuling } = this.#options;
    this.#silentSince = clock.now();
    this.#probes = [];
    if (this.#phase === 'dead' || this.#phase === 'answers again') this.#phase = 'answers again';
    else this.stop();
    onRuling({ kind: 'answered', asked, answer });
  }

  #judgeAfter(ms: number): void {
    const { clock } = this.#options;
    const due = clock.now() + ms;
    this.#after(ms, () => {
      // This process stood still, and answers that came meanwhile have yet to be read.
      if (clock.now() - due > LATE_MS) this.#judgeAfter(LATE_MS);
      else this.#judge();
    });
  }

  #judge(): void {
    const { clock, onRuling, mayFindDead } = this.#options;
    const now = clock.now();
    const isReached = ({ network }: Question) =>
      (this.#reached.get(network) ?? -Infinity) > now - 2 * REACHED_MS;
    const silent = this.#probes.filter(
      (one) => one.silent && one.sentAt <= now - this.#waitMs && isReached(one.question),
    );
    const networks = new Set(silent.map(({ question }) => question.network));
    if (networks.size === 0) {
      if (this.#phase !== 'asking' || now - this.beganAt < UNKNOWN_MS) return;
      this.stop();
      onRuling({ kind: 'unknown' });
      return;
    }
    if (this.#phase === 'asking' && silent.length >= LEAST_SUSPECTED) {
      this.#phase = 'suspected';
      onRuling({ kind: 'suspected', asked: this.#asked() });
    }
    const enough =
      this.#phase === 'answers again'
        ? silent.length >= LEAST_SUSPECTED
        : this.#phase === 'suspected' &&
          silent.length >= LEAST_DEAD &&
          now - this.#silentSince >= LEAST_DEAD_MS;
    if (!enough || !mayFindDead || (networks.size < LEAST_NETWORKS && !this.#isGatewaySilent())) return;
    this.#phase = 'dead';
    onRuling({ kind: 'dead', asked: this.#asked() });
  }

  #isGatewaySilent(): boolean {
    const { gateway, neighbours } = this.#options;
    const asked = gateway();
    return asked !== undefined && isGatewaySilent(asked, neighbours);
  }

  /** `asked 203.0.113.1:443, ping 1.1.1.1: 0 of 12 answered, other WANs reached 2` */
  #asked(): string {
    const texts = [...this.#texts];
    const more = texts.length > MOST_NAMED ? ', ...' : '';
    return (
      `asked ${texts.slice(0, MOST_NAMED).join(', ')}${more}: ` +
      `${this.#answers} of ${this.#sent} answered, by other WANs ${this.#reached.size} of ${texts.length}`
    );
  }
}
