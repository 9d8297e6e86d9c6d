import { checkInteger } from '../core/integer.js';
import { MarkField } from '../core/mark.js';
import { loadAddon } from '../native.js';
import { type ConntrackError, describeConntrackError } from './errors.js';
import type { Exclusion } from './exclusion.js';
import type {
  ConntrackAddon,
  NativeConntrack,
  NativeConntrackError,
  NativeConntrackStats,
} from './native.js';
import { probePorts } from './probe-ports.js';

export { ConntrackError, type ConntrackErrorCode } from './errors.js';
export type { Exclusion } from './exclusion.js';

/** What is counted. */
export interface CounterOptions {
  /** The field of the mark that holds the number of a WAN: one run of bits. */
  mask: number;
  /** The largest number that is counted, 1..65535. Default: the largest that the field holds, at most 65535. */
  highest?: number;
  /** Count only TCP in ESTABLISHED, instead of all live connections. Default false. */
  established?: boolean;
  /** Bytes of event buffer to ask for, up to 2^30; `stats().receiveBuffer` says what was granted. Default 8 MiB. */
  receiveBuffer?: number;
  /** Each overrun doubles the buffer, as long as that asks for no more than this. Default 32 MiB. */
  mostReceiveBuffer?: number;
  /** The shortest time between the starts of two dumps, in milliseconds, 10..60000. Default 250. */
  intervalMs?: number;
  /**
   * Whether to hear of TCP connections that begin to end, long before conntrack forgets them. Each packet that changes
   * a TCP state then costs some 2 us. Without it their end shows at the next dump. Default true.
   */
  updates?: boolean;
  /** What is left out from the first dump on. Default nothing. */
  exclusion?: Exclusion;
}

/**
 * - `dumps`, `entries`: dumps so far and what they showed; `dumpMs`: their CPU time, the kernel's included;
 *   `intervalMs`: between the beginnings of the last two
 * - `events`: events read; `eventMs`: CPU time for them; `overruns`: times the buffer was full and events were lost
 * - `missed`, `found`: ends that no event told, and connections that a dump was the first to show
 * - `errors`: calls of the kernel that failed
 * - `receiveBuffer`: bytes that the kernel granted, its own bookkeeping included (twice what was asked for)
 */
export interface CounterStats extends NativeConntrackStats {}

const DEFAULTS = {
  established: false,
  receiveBuffer: 8 << 20,
  mostReceiveBuffer: 32 << 20,
  intervalMs: 250,
  updates: true,
} as const;

/** A mark number has 16 bits in the addon's table of connections. */
const HIGHEST = 0xffff;

/** The open counters of this thread; their threads must end before it exits. */
const openCounters = new Set<ConntrackCounter>();

function closeAllNow(): void {
  for (const counter of openCounters) counter.closeNow();
}

/**
 * The live connections of each WAN, as conntrack has them; reading one costs a few nanoseconds whatever the table.
 *
 * Live are the entries whose mark has the number in its field, no matter who chose it: IPv4 and IPv6, any protocol, TCP
 * from SYN_SENT to ESTABLISHED (not from FIN_WAIT on). Duplicates of a clash (IPS_NAT_CLASH) do not count, nor does what
 * an {@link Exclusion} leaves out. What a firewall drops has no entry (it is made by nf_confirm, behind all rules).
 *
 * A thread of the addon reads the whole table ("dump") and, in between, events: when a connection ends, when a TCP
 * handshake is answered, when UDP has its first reply. Dumps cost at most 2 % of one core, some 3 us an entry, so
 * they come every 250 to 500 ms with a small table, every 9 s with 60,000 entries, every 35 s with 240,000; and once
 * more, in advance, half a second after decisions or overruns have stopped.
 *
 * No event tells of connections that were neither announced with {@link decided} nor answered yet; they wait for the
 * next dump. Events lost by an overrun of the buffer are estimated until then, from what earlier dumps found missing,
 * and the buffer grows.
 * Beyond some 7,000 TCP connections a second the thread stops listening to the ends of TCP for ten seconds at a time,
 * and estimates those too; then counts can be 15 % too high.
 */
export class ConntrackCounter {
  readonly field: MarkField;
  /** Settles when the first dump is through and {@link count} is true for older connections. */
  readonly ready: Promise<void>;
  readonly #native: NativeConntrack;
  readonly #counts: Int32Array;
  readonly #decided: Uint32Array;
  /** The number of decisions by mark number that plans have made, which the queues' threads write. */
  readonly planned: Uint32Array;
  #resolveReady = () => {};
  #closed: Promise<void> | undefined;

  /**
   * Starts counting. The counter keeps the process running until it is closed or `unref`ed.
   *
   * @param onError is told of the first call of the kernel that fails later on; without it: a process warning
   * @throws ConntrackError when the system refuses; UsageError for the mask; RangeError for an option out of range
   */
  static open(options: CounterOptions, onError?: (error: ConntrackError) => void): ConntrackCounter {
    return new ConntrackCounter(options, onError);
  }

  private constructor(options: CounterOptions, onError?: (error: ConntrackError) => void) {
    const all = { ...DEFAULTS, ...options };
    this.field = new MarkField(all.mask);
    const most = Math.min(this.field.max, HIGHEST);
    const highest = all.highest ?? most;
    checkInteger('highest', highest, 1, most);
    checkInteger('receiveBuffer', all.receiveBuffer, 1, 2 ** 30);
    checkInteger('mostReceiveBuffer', all.mostReceiveBuffer, 0, 2 ** 30);
    checkInteger('intervalMs', all.intervalMs, 10, 60_000);
    this.ready = new Promise((resolve) => {
      this.#resolveReady = resolve;
    });
    const { Conntrack } = loadAddon<ConntrackAddon>();
    const { mask } = this.field;
    const { established, receiveBuffer, mostReceiveBuffer, intervalMs, updates } = all;
    try {
      this.#native = new Conntrack(
        {
          mask,
          highest,
          established,
          receiveBuffer,
          mostReceiveBuffer,
          intervalMs,
          updates,
          exclusion: all.exclusion && { ...all.exclusion, probePorts },
        },
        (kind, value) => {
          if (kind === 'ready') return this.#resolveReady();
          const cause = Object.assign(new Error('conntrack'), {
            step: 'request',
            errno: Number(value),
          } as const);
          const error = describeConntrackError('counting', cause);
          if (onError) onError(error);
          else process.emitWarning(error);
        },
      );
    } catch (error) {
      throw describeConntrackError('counter', error as NativeConntrackError);
    }
    this.#counts = this.#native.counts;
    this.#decided = this.#native.decided;
    this.planned = this.#native.planned;
    if (openCounters.size === 0) process.on('exit', closeAllNow);
    openCounters.add(this);
  }

  /** Live connections of mark number `n`, and decisions for it whose connection has not shown yet; 0 beyond `highest`. */
  count(n: number): number {
    const live = (this.#counts[n]! + this.#decided[n]! + this.planned[n]!) | 0;
    return live > 0 ? live : 0;
  }

  /**
   * Counts a new connection for mark number `n` at once, before conntrack has it. It counts until conntrack shows it,
   * or until the next dump shows that it never came to be.
   */
  decided(n: number): void {
    if (n > 0 && n < this.#decided.length) this.#decided[n]!++;
  }

  /**
   * Replaces what is left out. The counts are right with the next dump, which comes soon: within a second with a small
   * table.
   *
   * @throws TypeError for a text that is not a network
   */
  exclude(exclusion: Exclusion): void {
    this.#native.exclude({ ...exclusion, probePorts });
  }

  stats(): CounterStats {
    return this.#native.stats();
  }

  /** Ends the thread; counts stay as they are. Every call returns the same promise. */
  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#native.close(() => {
        this.#forget();
        resolve();
      });
    });
    return this.#closed;
  }

  /** Closes before it returns; for a process that is about to end. */
  closeNow(): void {
    this.#native.closeNow();
    this.#forget();
    this.#closed ??= Promise.resolve();
  }

  /** Keeps the process running while the counter is open, as it does from the start. */
  ref(): void {
    this.#native.ref();
  }

  /** Lets the process end while the counter is open. */
  unref(): void {
    this.#native.unref();
  }

  #forget(): void {
    // Nobody should wait for a dump that will not come any more.
    this.#resolveReady();
    openCounters.delete(this);
    if (openCounters.size === 0) process.off('exit', closeAllNow);
  }
}
