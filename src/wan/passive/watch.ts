import type { Entry } from '../../conntrack/requests.js';
import { FAMILIES, type Family } from '../../core/family.js';
import type { Flow } from '../../core/flow.js';
import { TCP, UDP } from '../../core/protocol.js';
import type { Tuple } from '../../core/tuple.js';
import type { Clock } from '../clock.js';
import { FIRST_SYN_MS } from './answer-times.js';
import { isAnswered } from './answered.js';
import type { Destinations } from './destinations.js';
import type { Evidence } from './evidence.js';
import { keyOf, type Move, Moves, REMEMBERED_MS } from './moves.js';
import { FIRST_LOOK_MS, looksOf, type Sample, type Seen, unansweredOf } from './sample.js';
import { Sampler } from './sampler.js';

/** Looks are spread, since decisions wait for them; those of one moment together take a millisecond. */
const LOOKS_EVERY_MS = 25;
const JUDGED_EVERY_MS = 100;
/** A later timer means that this machine stood still, and perhaps the traffic through it, too. */
const LATE_MS = 100;
/** How many TCP connections a second are looked at, over all WANs of a family: each costs some 5 us and may be moved. */
const TCP_PER_SECOND = 500;
/** UDP says only that a WAN answers, for which a few are enough. */
const UDP_PER_SECOND = 20;
/**
 * With so many moved connections, no error of a router moves another one: a client that tries a dead network thousands of
 * times a second would cost a question to conntrack and a place in memory each time.
 */
const MOST_MOVES = (TCP_PER_SECOND * REMEMBERED_MS) / 1000;

/**
 * A router that waited for a neighbour in vain sends an error about each packet of the connection that waited with it,
 * all at once (arp_error_report). They are about one try. The next one is a second later at the earliest.
 */
const SAME_TRY_MS = 500;

/** How connections are watched. */
export interface WatchOptions {
  /**
   * Looks a connection up in conntrack, with the WAN that it has; undefined when it is gone or has none. An exception
   * counts as undefined.
   */
  readonly lookup: (tuple: Tuple) => Promise<{ readonly entry: Entry; readonly wan: string } | undefined>;
  /** Makes conntrack and the queue forget those that have no answer yet. @returns for each whether it was forgotten */
  readonly forget: (those: readonly { tuple: Tuple; wan: string }[]) => Promise<readonly boolean[]>;
  /** Whether a connection may be taken from a WAN that does not answer it, because another one can have it. */
  readonly mayMove: (wan: string, family: Family) => boolean;
  readonly evidence: Readonly<Record<Family, Evidence>>;
  readonly destinations: Readonly<Record<Family, Destinations>>;
  /** How many WANs there are; the looks are shared out among them. */
  readonly wans: number;
  readonly clock: Clock;
  /** Returns 0 up to 1. */
  readonly random?: () => number;
  /** Called some ten times a second while there is something to judge. */
  readonly onEvidence?: () => void;
  /**
   * Told each time that a look finds a TCP connection without an answer, or gone: conntrack forgets a connection at once
   * that a reset answers (nf_conntrack_tcp_packet), as from a closed port. With it there is one more look, soon after
   * the decision, which tells only of what is gone.
   */
  readonly onUnanswered?: (wan: string, family: Family) => void;
  /**
   * Told of a connection before conntrack forgets it, because its next packet needs another WAN; it is sure of that for
   * so many milliseconds.
   */
  readonly onMove?: (tuple: Tuple, forMs: number) => void;
}

/**
 * Follows a fair sample of the daemon's own decisions in conntrack, for two ends: a TCP connection that its WAN leaves
 * without an answer gets a second chance by another WAN, and the fate of all is evidence for and against the WANs. It
 * does nothing while there are no decisions.
 *
 * The second chance comes just before the client sends its SYN again: the unanswered entry is forgotten, so the SYN is
 * decided anew, and {@link Watch.tried} keeps it off the WAN that it had. A connection is moved once.
 *
 * Ages do not count the time in which this process itself did not run: all its samples would grow old at once and look
 * unanswered.
 */
export class Watch {
  readonly #options: WatchOptions;
  readonly #random: () => number;
  readonly #samplers = new Map<
    string | undefined,
    Record<Family, { tcp: Sampler<Sample>; udp: Sampler<Sample> }>
  >();
  readonly #moves = new Moves();
  /** The id of the latest sample of each connection that is followed. */
  readonly #latest = new Map<string, number>();
  #samples: Sample[] = [];
  #nextId = 0;
  #stolenMs = 0;
  #judgedAt = Number.NEGATIVE_INFINITY;
  #cancel: (() => void) | undefined;
  #stopped = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
  }

  /** The WANs that did not answer this connection; undefined for nearly all. Cheap while nothing is moved. */
  tried(flow: Flow): ReadonlySet<string> | undefined {
    return this.#moves.of(flow)?.tried;
  }

  /** Notes that a new connection was given to `wan`. @param ageMs how long ago */
  decided(wan: string, flow: Flow, ageMs = 0): void {
    this.#note(wan, flow, ageMs);
  }

  /**
   * Notes that the kernel chose the WAN of a new connection, because the decision was late. UDP is left out, of which
   * enough is decided in time.
   * @param ageMs how old the connection is
   */
  decidedByKernel(flow: Flow, ageMs: number): void {
    if (flow.proto === TCP) this.#note(undefined, flow, ageMs);
  }

  #note(wan: string | undefined, flow: Flow, ageMs: number): void {
    const { family, proto } = flow;
    if (this.#stopped || (proto !== TCP && proto !== UDP) || (family !== 4 && family !== 6)) return;
    const move = this.#moves.of(flow);
    if (move !== undefined) this.#follow(this.#sample(wan, flow, { move, ageMs }));
    else {
      const { tcp, udp } = this.#samplersOf(wan)[family];
      const sampler = proto === TCP ? tcp : udp;
      if (sampler.wants())
        sampler.add(flow.srcHash, flow.dstNetworkHash, () => this.#sample(wan, flow, { ageMs }));
    }
    this.#arm();
  }

  /**
   * Takes in that a router behind `wan` called the destination of a connection without an answer unreachable.
   *
   * A connection that was taken from the WAN may still have sent a SYN by it, because conntrack had not forgotten it yet
   * or because the kernel chose in the daemon's place. That is no second try by another WAN, so it is taken away again.
   * @returns whether the connection gets a second chance, so that its client must not hear of the error
   */
  unreachable(wan: string, tuple: Tuple): boolean {
    const move = this.#moves.of(tuple);
    const wasTaken = move?.from === wan;
    if (wasTaken && this.#aliveMs() - move.at < SAME_TRY_MS) return true;
    const sample = this.#sample(wan, tuple);
    this.#options.evidence[tuple.family].unreachable(wan, unansweredOf(sample, 0));
    const hasRoom = this.#moves.size < MOST_MOVES;
    const mayTry = wasTaken || (move === undefined && hasRoom);
    const moves = mayTry && this.#options.mayMove(wan, tuple.family);
    if (moves) void this.#moveAll([sample]);
    this.#arm();
    return moves;
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
    this.#samples = [];
    this.#moves.clear();
    this.#latest.clear();
  }

  #sample<Wan extends string | undefined>(
    wan: Wan,
    flow: Flow | Tuple,
    { move, ageMs = 0 }: { move?: Move | undefined; ageMs?: number } = {},
  ): Sample & { wan: Wan } {
    const { proto, src, dst, sport, dport } = flow;
    const tuple = { family: flow.family as Family, proto, src, dst, sport, dport };
    const decidedAt = this.#options.clock.now() - ageMs;
    const bornMs = this.#aliveMs() - ageMs;
    return { id: this.#nextId++, wan, tuple, decidedAt, bornMs, move, looks: 0, knownMs: 0 };
  }

  #follow(sample: Sample): void {
    this.#samples.push(sample);
    this.#latest.set(keyOf(sample.tuple), sample.id);
  }

  #samplersOf(wan: string | undefined) {
    let samplers = this.#samplers.get(wan);
    if (samplers === undefined) {
      const { wans } = this.#options;
      const make = () => ({
        tcp: new Sampler<Sample>(Math.ceil(TCP_PER_SECOND / wans), this.#random),
        udp: new Sampler<Sample>(UDP_PER_SECOND, this.#random),
      });
      samplers = { 4: make(), 6: make() };
      this.#samplers.set(wan, samplers);
    }
    return samplers;
  }

  #arm(): void {
    if (this.#cancel !== undefined || this.#stopped) return;
    const { clock } = this.#options;
    const due = clock.now() + LOOKS_EVERY_MS;
    this.#cancel = clock.after(LOOKS_EVERY_MS, () => {
      this.#cancel = undefined;
      const lateMs = clock.now() - due;
      if (lateMs > LATE_MS) this.#stolenMs += lateMs;
      void this.#tick();
    });
  }

  /** The clock, without the time in which this process stood still. */
  #aliveMs(): number {
    return this.#options.clock.now() - this.#stolenMs;
  }

  async #tick(): Promise<void> {
    const now = this.#aliveMs();
    for (const families of this.#samplers.values()) {
      for (const family of FAMILIES) {
        const { tcp, udp } = families[family];
        for (const sample of [...tcp.take(now), ...udp.take(now)]) this.#follow(sample);
      }
    }
    this.#moves.forgetOld(now);
    const isDue = (sample: Sample) =>
      now - sample.bornMs >= looksOf(sample, this.#options.onUnanswered !== undefined)[sample.looks]!;
    const due = this.#samples.filter(isDue);
    this.#samples = this.#samples.filter((sample) => !isDue(sample));
    const unanswered = await Promise.all(due.map((sample) => this.#look(sample)));
    if (this.#stopped) return;
    await this.#moveAll(unanswered.filter((sample) => sample !== undefined).filter(this.#isDone));
    if (this.#stopped) return;
    const judges = now - this.#judgedAt >= JUDGED_EVERY_MS;
    if (judges) {
      this.#judgedAt = now;
      this.#options.onEvidence?.();
    }
    // Looks since the last judgement have yet to be judged.
    if (this.#samples.length > 0 || this.#moves.size > 0 || !judges) this.#arm();
  }

  /** @returns the sample where it has no answer yet */
  async #look(sample: Sample): Promise<Seen | undefined> {
    const { tuple, decidedAt, bornMs, knownMs } = sample;
    const { evidence, destinations, clock, onUnanswered } = this.#options;
    // Taken before the look-up, whose answer may be late on a busy machine.
    const lookedAt = clock.now();
    const ageMs = this.#aliveMs() - bornMs;
    const found = await this.#options.lookup(tuple).catch(() => undefined);
    const entry = found?.entry;
    // It was cut and decided anew meanwhile, and that decision has a sample of its own.
    if (this.#latest.get(keyOf(tuple)) !== sample.id) return undefined;
    this.#latest.delete(keyOf(tuple));
    if (found !== undefined) sample.wan = found.wan;
    const { wan } = sample;
    // It is gone, and nobody knows any more whose it was.
    if (wan === undefined) return undefined;
    const answered = isAnswered(tuple.proto, entry);
    if (answered === true) {
      evidence[tuple.family].answered(wan, decidedAt, knownMs, lookedAt);
      if (tuple.proto === TCP) {
        destinations[tuple.family].note(tuple.src, tuple.dst, tuple.dport, wan, lookedAt);
      }
      this.#pair(wan, sample, ageMs, lookedAt);
      return undefined;
    }
    const isDue = answered === false && ageMs >= FIRST_LOOK_MS;
    if (tuple.proto === TCP && (isDue || found === undefined)) onUnanswered?.(wan, tuple.family);
    if (answered === false && sample.move === undefined) {
      evidence[tuple.family].unanswered(wan, unansweredOf(sample, ageMs));
    }
    sample.looks++;
    sample.knownMs = ageMs;
    // UDP is looked at again as well, since an answer may still come.
    if (
      entry !== undefined &&
      sample.looks < looksOf(sample, this.#options.onUnanswered !== undefined).length
    )
      this.#follow(sample);
    return answered === false ? Object.assign(sample, { wan }) : undefined;
  }

  /**
   * A moved connection that was answered in less time than it had before speaks against the WAN that it had. Otherwise
   * that WAN had too little time: it is no worse, only slow like the other one.
   */
  #pair(wan: string, { move, tuple, knownMs }: Sample, ageMs: number, now: number): void {
    // The kernel may have given it to the same WAN again, which then has answered after all.
    if (move === undefined || move.tried.has(wan)) return;
    const evidence = this.#options.evidence[tuple.family];
    const { from, unanswered } = move;
    if (ageMs < unanswered.ageMs) evidence.pair(from, unanswered);
    else if (knownMs >= FIRST_SYN_MS) evidence.times(from).add(unanswered.ageMs, now);
  }

  /**
   * Whether the WAN of an unanswered connection has had its time. It had it before where the kernel gave a moved
   * connection to the same WAN again.
   */
  readonly #isDone = ({ wan, tuple, move, knownMs }: Seen): boolean => {
    const { evidence, mayMove, clock } = this.#options;
    if (tuple.proto !== TCP) return false;
    if (move !== undefined) return move.tried.has(wan) && mayMove(wan, tuple.family);
    const patienceMs = evidence[tuple.family].times(wan).patienceMs(clock.now());
    return knownMs >= patienceMs && mayMove(wan, tuple.family);
  };

  async #moveAll(samples: readonly Seen[]): Promise<void> {
    if (samples.length === 0) return;
    const at = this.#aliveMs();
    // Noted before the kernel is asked, since the next SYN may come meanwhile.
    for (const sample of samples) {
      const { wan, tuple, knownMs } = sample;
      this.#options.onMove?.(tuple, REMEMBERED_MS);
      this.#moves.add(tuple, {
        from: wan,
        tried: new Set([wan]),
        unanswered: sample.move?.unanswered ?? unansweredOf(sample, knownMs),
        at,
      });
    }
    const gone = new Set<Sample>(samples);
    this.#samples = this.#samples.filter((sample) => !gone.has(sample));
    for (const { tuple } of samples) this.#latest.delete(keyOf(tuple));
    const forgotten = await this.#options.forget(samples).catch((): boolean[] => []);
    for (const [i, { id, wan, tuple }] of samples.entries()) {
      // It was answered in the last moment, or is gone.
      if (forgotten[i] !== true) this.#moves.delete(tuple);
      else this.#options.evidence[tuple.family].withdraw(wan, id);
    }
  }
}
