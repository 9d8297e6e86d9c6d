import type { Entry, Tuple } from '../../conntrack/requests.js';
import { FAMILIES, type Family } from '../../core/family.js';
import type { Clock } from '../clock.js';
import { Detector, type Suspicion } from './detector.js';

const TCP = 6;
const UDP = 17;
/** IPS_SEEN_REPLY (linux/netfilter/nf_conntrack_common.h). */
const SEEN_REPLY = 1 << 1;
/** Ages at which a connection is looked at, until it is answered. */
export const LOOKS_MS = [250, 500, 750, 1000, 1250, 1500, 1750, 2000] as const;
export const TICK_MS = 100;
/** Looks are spread over a tick, since decisions wait for them, and all looks of a tick together take a millisecond. */
const LOOKS_EVERY_MS = 25;
/** Unanswered UDP is looked at less often, since it is mostly one-way on purpose. */
const MOST_UDP_LOOKS = 4;
/** A later timer means that this machine stood still, and perhaps the traffic through it, too. */
const LATE_MS = 100;
/** Most samples of a WAN and family in a tick: 20 a second, enough for a suspicion within half a second. */
export const MOST_PER_TICK = 2;

/** Whether a connection was answered; undefined when its entry says nothing about that. */
export type Answered = boolean | undefined;

/**
 * Whether a connection was answered, by its conntrack entry. UDP without a reply says nothing, since some protocols,
 * like syslog, never reply; nor does an entry that is gone, which somebody may have deleted.
 */
export function isAnswered(proto: number, entry: Pick<Entry, 'status' | 'tcpState'> | undefined): Answered {
  if (entry === undefined) return undefined;
  if ((entry.status & SEEN_REPLY) !== 0) return true;
  return proto === TCP && entry.tcpState === 'SYN_SENT' ? false : undefined;
}

interface Sample {
  readonly id: number;
  readonly wan: string;
  readonly tuple: Tuple;
  /** When the connection was decided, by the clock without the time in which the process stood still. */
  readonly decidedAt: number;
  looks: number;
  knownMs: number;
}

export interface PassiveWatchOptions {
  /**
   * Looks a connection up in conntrack; undefined when it is gone or does not belong to `wan` any more, because it was
   * cut and made again by another WAN. An exception counts as undefined.
   */
  readonly lookup: (tuple: Tuple, wan: string) => Promise<Entry | undefined>;
  readonly clock: Clock;
  /** The WANs that new connections may use in a family, including suspected ones. */
  readonly available: (family: Family) => readonly string[];
  /** Called when a suspicion is raised (with the reason) or over (undefined). */
  readonly onSuspicion: (wan: string, family: Family, suspicion: Suspicion | undefined) => void;
}

/**
 * Looks up a sample of the daemon's own decisions in conntrack and reports WANs that do not answer. It does nothing
 * while there are no decisions. It samples at most 20 a second for each WAN and family, and looks up to eight times.
 *
 * Ages and silences do not count the time in which this process itself did not run: all its samples would grow old at
 * once and look unanswered. So on a starved machine a suspicion takes longer, by the time the machine stood still.
 */
export class PassiveWatch {
  readonly #options: PassiveWatchOptions;
  readonly #detectors = { 4: new Detector(), 6: new Detector() };
  readonly #told = { 4: new Set<string>(), 6: new Set<string>() };
  readonly #taken = { 4: new Map<string, number>(), 6: new Map<string, number>() };
  #samples: Sample[] = [];
  #nextId = 0;
  #stolenMs = 0;
  #tickedAt = Number.NEGATIVE_INFINITY;
  #cancel: (() => void) | undefined;
  #stopped = false;

  constructor(options: PassiveWatchOptions) {
    this.#options = options;
  }

  /**
   * Whether {@link PassiveWatch.decided} would take a connection by `wan`. Cheap, so that it can be asked for every
   * decision before the addresses are turned into text.
   */
  wants(wan: string, family: number, proto: number): boolean {
    if ((proto !== TCP && proto !== UDP) || (family !== 4 && family !== 6)) return false;
    return (this.#taken[family].get(wan) ?? 0) < MOST_PER_TICK;
  }

  /** Samples a new connection that was given to `wan`; call it only when {@link PassiveWatch.wants} says so. */
  decided(wan: string, tuple: Tuple): void {
    if (this.#stopped) return;
    const taken = this.#taken[tuple.family];
    taken.set(wan, (taken.get(wan) ?? 0) + 1);
    this.#samples.push({ id: this.#nextId++, wan, tuple, decidedAt: this.#aliveMs(), looks: 0, knownMs: 0 });
    this.#arm();
  }

  /** Ignores the earlier connections of `wan`, which is up again: they say nothing about the present. */
  restart(wan: string, family: Family): void {
    this.#detectors[family].restart(wan, this.#aliveMs());
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
    this.#samples = [];
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
    const full = now - this.#tickedAt >= TICK_MS;
    if (full) {
      this.#tickedAt = now;
      for (const family of FAMILIES) this.#taken[family].clear();
    }
    const isDue = ({ decidedAt, looks }: Sample) => now - decidedAt >= LOOKS_MS[looks]!;
    const due = this.#samples.filter(isDue);
    this.#samples = this.#samples.filter((sample) => !isDue(sample));
    await Promise.all(due.map((sample) => this.#look(sample)));
    if (this.#stopped) return;
    if (full) for (const family of FAMILIES) this.#tell(family);
    const watching = this.#told[4].size + this.#told[6].size > 0;
    // Looks since the last judgement have yet to be judged.
    if (watching || this.#samples.length > 0 || !full) this.#arm();
  }

  async #look(sample: Sample): Promise<void> {
    const { id, wan, tuple, decidedAt, knownMs } = sample;
    // Taken before the look-up, whose answer may be late on a busy machine.
    const lookedAt = this.#aliveMs();
    const entry = await this.#options.lookup(tuple, wan).catch(() => undefined);
    const answered = isAnswered(tuple.proto, entry);
    const { dst, dport } = tuple;
    if (answered !== undefined)
      this.#detectors[tuple.family].add({ id, wan, decidedAt, lookedAt, dst, dport, answered, knownMs });
    sample.looks++;
    sample.knownMs = lookedAt - decidedAt;
    // Unanswered UDP is looked at again as well, since an answer may still come.
    const most = tuple.proto === UDP ? MOST_UDP_LOOKS : LOOKS_MS.length;
    if (answered !== true && entry !== undefined && sample.looks < most) this.#samples.push(sample);
  }

  #tell(family: Family): void {
    const { available, onSuspicion } = this.#options;
    const suspicions = this.#detectors[family].suspects(available(family), this.#aliveMs());
    const told = this.#told[family];
    for (const wan of [...told]) {
      if (suspicions.some((one) => one.wan === wan)) continue;
      told.delete(wan);
      onSuspicion(wan, family, undefined);
    }
    for (const suspicion of suspicions) {
      if (told.has(suspicion.wan)) continue;
      told.add(suspicion.wan);
      onSuspicion(suspicion.wan, family, suspicion);
    }
  }
}
