import { Destinations, networkOf } from './destinations.js';
import { type Counts, predictive, sum } from './rate.js';
import { type Look, Track, type Unanswered } from './track.js';

export type { Look };

/** A WAN that does not answer while the others do. */
export interface Suspicion {
  readonly wan: string;
  /** When the suspicion was raised, by the clock in milliseconds. */
  readonly since: number;
  /** `6 new connections unanswered for 1.1 s while other WANs answered 14 of 15` */
  readonly reason: string;
}

/**
 * The statistical test. A WAN is suspected when its last k sampled connections, those to one network counted once, are
 * all unanswered and
 *
 * - a WAN that works, judged by its own last minutes and those of the others, would show that with a probability of at
 *   most {@link ALPHA} (posterior predictive of a Beta prior);
 * - the others answered in the same seconds: they would show such a run with a probability of at most
 *   {@link ALPHA_NOW}, so neither the clients' side nor the whole internet is broken;
 * - one of its connections has been unanswered for {@link PATIENCE_MS}, and no connection was answered for
 *   {@link SILENCE_MS}, not even an old one: a full buffer delays each answer, but answers keep coming;
 * - a line that loses half of all packets would hardly show that: {@link LEAST_TRIES} packets are lost, retransmissions
 *   included, and not more of its recent answers were late.
 */
const ALPHA = 1e-7;
const ALPHA_NOW = 1e-2;
const PATIENCE_MS = 1000;
const SILENCE_MS = 850;
/** A look at a connection's age may come this much later than planned. */
const LOOK_MS = 100;
/** A shorter run is chance, whatever the probabilities say. */
const LEAST_RUN = 4;
/** Least lost packets. Where loss has just begun, nothing else speaks for the line; 1 in 256 such runs is chance. */
const LEAST_TRIES = 8;
/** When a client sends its SYN again for the first time (RFC 6298). */
const SENT_AGAIN_MS = 1000;
/** A prior worth ten connections, of which one goes to a dead destination. */
const PRIOR = { a: 1, b: 9 };
/** A weak prior for the same seconds, about which nothing is assumed. */
const PRIOR_NOW = { a: 0.5, b: 1 };
/** With fewer connections of its own, a WAN is judged by the history of the others alone. */
const LEAST_OWN = 20;
/** How often a working WAN gets no answer from a destination that others reach; more often where the line is lossy. */
const ALIVE_FAILS = 0.02;
const PRIOR_ALIVE = { a: 0.2, b: 9.8 };
/** With fewer recent answers the share of late ones is unknown. */
const LEAST_LATE = 4;
/** Most evidence from one destination, and the least time it spans: a server may have banned the address of one WAN. */
const MOST_PER_DESTINATION = 6;
const LEAST_SPAN_MS = 400;
/** A slow WAN gets this many times the time. */
const SLOW_FACTOR = 2;
/** A suspected WAN is tried again after this time, since nothing is learnt without new connections. */
const SUSPECT_MS = 10_000;

interface Evidence {
  /** Connections to destinations about which nothing is known, one for each network. */
  readonly unknown: number;
  /** Connections to destinations that other WANs reach. */
  readonly alive: number;
  /** SYNs without an answer; a connection whose SYN was sent again has two. */
  readonly tries: number;
  /** The part of `tries` that went to destinations that other WANs reach. */
  readonly aliveTries: number;
  /** All unanswered connections, also those that do not count because of their network or destination. */
  readonly entries: readonly Unanswered[];
  readonly onset: number;
}

/** Finds WANs whose new connections stay unanswered, by comparing WANs with each other. Pure; one for each family. */
export class Detector {
  readonly #tracks = new Map<string, Track>();
  readonly #endpoints = new Destinations();
  readonly #networks = new Destinations();
  readonly #suspicions = new Map<string, { suspicion: Suspicion; onset: number }>();

  /** Adds the result of a look at one connection. */
  add(look: Look): void {
    const { wan, dst, dport, answered, decidedAt } = look;
    this.#track(wan).add(look);
    this.#endpoints.note(`${dst} ${dport}`, wan, answered, decidedAt);
    this.#networks.note(networkOf(dst), wan, answered, decidedAt);
    const suspected = this.#suspicions.get(wan);
    // The suspected WAN answers after all.
    if (answered && suspected !== undefined && decidedAt > suspected.onset) this.#suspicions.delete(wan);
  }

  /**
   * The suspicions at this moment.
   *
   * @param available the WANs that are up by all other sources. The last of them is never suspected; when more than half
   *   would be, none is, since something else must be broken
   */
  suspects(available: readonly string[], now: number): readonly Suspicion[] {
    for (const [wan, { suspicion }] of this.#suspicions) {
      if (now - suspicion.since < SUSPECT_MS && available.includes(wan)) continue;
      this.#suspicions.delete(wan);
      this.#track(wan).restart(now);
    }
    for (const wan of available) {
      if (this.#suspicions.has(wan)) continue;
      const found = this.#judge(wan, available, now);
      if (found !== undefined) this.#suspicions.set(wan, found);
    }
    if (2 * this.#suspicions.size > available.length) this.#suspicions.clear();
    // The connections that raised a suspicion must not raise the next one.
    for (const wan of this.#suspicions.keys()) this.#track(wan).restart(now);
    return [...this.#suspicions.values()].map(({ suspicion }) => suspicion);
  }

  /** Ignores, for new suspicions, the connections that `wan` was given before `now`. */
  restart(wan: string, now: number): void {
    this.#track(wan).restart(now);
  }

  #track(wan: string): Track {
    let track = this.#tracks.get(wan);
    if (track === undefined) {
      track = new Track();
      this.#tracks.set(wan, track);
    }
    return track;
  }

  #judge(wan: string, available: readonly string[], now: number) {
    const track = this.#track(wan);
    if (track.run.length < LEAST_RUN || now - track.heardAt < SILENCE_MS) return undefined;
    const others = available.filter((other) => other !== wan && !this.#suspicions.has(other));
    const slow = track.isSlow(now);
    const evidence = this.#evidence(track, others, now);
    const k = evidence.unknown + evidence.alive;
    if (k < LEAST_RUN || evidence.tries < LEAST_TRIES) return undefined;
    const waitedMs = Math.max(...evidence.entries.map(({ ageMs }) => ageMs));
    if (waitedMs < PATIENCE_MS * (slow ? SLOW_FACTOR : 1)) return undefined;
    if (this.#oneBurst(evidence, others)) return undefined;

    const tracks = others.map((other) => this.#track(other));
    if (this.#chance(evidence, track, tracks, now) > ALPHA) return undefined;
    const meanwhile = sum(tracks.map((other) => other.since(evidence.onset, now)));
    if (predictive(k, meanwhile, PRIOR_NOW.a, PRIOR_NOW.b) > ALPHA_NOW) return undefined;
    const total = meanwhile.answered + meanwhile.unanswered;
    const seconds = (waitedMs / 1000).toFixed(1);
    const reason =
      `${k} new connections unanswered for up to ${seconds} s ` +
      `while other WANs answered ${meanwhile.answered} of ${total}`;
    return { suspicion: { wan, since: now, reason }, onset: evidence.onset };
  }

  #evidence(track: Track, others: readonly string[], now: number): Evidence {
    const networks = new Set<string>();
    const perEndpoint = new Map<string, number>();
    const entries: Unanswered[] = [];
    const evidenceMs = track.evidenceMs(now);
    // An answer clears the WAN of all that was sent before it; a look finds an answer only some time after it came.
    const since = track.heardAt - evidenceMs - LOOK_MS;
    let alive = 0;
    let tries = 0;
    let aliveTries = 0;
    for (const entry of track.run) {
      if (entry.ageMs < evidenceMs || entry.decidedAt < since) continue;
      const syns = entry.ageMs >= SENT_AGAIN_MS + evidenceMs ? 2 : 1;
      const endpoint = `${entry.dst} ${entry.dport}`;
      const network = networkOf(entry.dst);
      if (this.#endpoints.isAlive(endpoint, others, now)) {
        const count = (perEndpoint.get(endpoint) ?? 0) + 1;
        perEndpoint.set(endpoint, count);
        if (count <= MOST_PER_DESTINATION) alive++;
        aliveTries += syns;
      } else {
        if (this.#networks.isDead(network, others, now)) continue;
        networks.add(network);
      }
      entries.push(entry);
      tries += syns;
    }
    const onset = Math.min(...entries.map(({ decidedAt }) => decidedAt));
    return { unknown: networks.size, alive, tries, aliveTries, entries, onset };
  }

  /** Whether all evidence is one destination asked in one moment, or dead since, like a page whose server died. */
  #oneBurst({ entries, onset }: Evidence, others: readonly string[]): boolean {
    const [first] = entries;
    if (first === undefined || entries.some(({ dst }) => dst !== first.dst)) return false;
    const spanMs = Math.max(...entries.map(({ decidedAt }) => decidedAt)) - onset;
    return (
      spanMs < LEAST_SPAN_MS ||
      entries.every(({ dst, dport }) => this.#endpoints.lastAnswered(`${dst} ${dport}`, others) < onset)
    );
  }

  /** The probability that a working WAN shows this evidence, by the others' history and, if long enough, its own. */
  #chance(evidence: Evidence, own: Track, others: readonly Track[], now: number): number {
    const { unknown, alive, aliveTries } = evidence;
    const histories: Counts[] = [sum(others.map((other) => other.counts(now)))];
    const mine = own.counts(now);
    if (mine.answered + mine.unanswered >= LEAST_OWN) histories.push(mine);
    const worst = Math.max(...histories.map((seen) => predictive(unknown, seen, PRIOR.a, PRIOR.b)));
    // Where others reach the destination, packets may be lost or the server may refuse this WAN; the likelier counts.
    const late = own.lateness(now);
    const seen = late.answered + late.unanswered;
    const lost = seen < LEAST_LATE ? 0 : predictive(aliveTries, late, PRIOR_ALIVE.a, PRIOR_ALIVE.b);
    return worst * Math.max(lost, ALIVE_FAILS ** alive);
  }
}
