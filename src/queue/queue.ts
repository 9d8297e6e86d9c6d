import type { Batch } from '../core/batch.js';
import { checkInteger } from '../core/integer.js';
import { loadAddon } from '../native.js';
import { describeEvent, describeOpenError, type QueueError } from './errors.js';
import type { NativeOpenError, NativeQueue, NativeStats, QueueAddon } from './native.js';
import type { Plans } from './plans.js';
import { readQueueTable } from './proc.js';

export { QueueError, type QueueErrorCode } from './errors.js';

/** How a queue is opened. */
export interface QueueOptions {
  /** Number of the queue, 0..65535, as in the rule's `--queue-num`. */
  num: number;
  /** The bits of the packet mark that belong to us, not 0: the verdict's mark is `(old & ~mask) | answer`. */
  mask: number;
  /**
   * Marks inside the mask from here on say how a packet is to be decided: it is asked about as one without a mark is.
   * Default 0: none does.
   */
  undecidedFrom?: number;
  /** How many packets the kernel holds, 1..65536. Default 8192. */
  maxLen?: number;
  /** How long packets wait for `decide` before the kernel decides, in milliseconds, 1..10000. Default 50. */
  deadlineMs?: number;
  /** How long a decision holds for further packets of its 5-tuple, in milliseconds, 0..60000. Default 3000. */
  cacheMs?: number;
  /**
   * Where packets that got a mark continue. `repeat`: again at the top of the table, whose rules must let marked packets
   * pass, or they are queued for ever. `accept`: at the next table. Default `repeat`. Packets without a mark are always
   * accepted.
   */
  verdict?: 'repeat' | 'accept';
  /** Whether the kernel lets packets pass unmarked when the queue is full, rather than drop them. Default true. */
  failOpen?: boolean;
  /** Bytes of socket buffer to ask for, up to 2^30; `stats().receiveBuffer` says what was granted. */
  receiveBuffer?: number;
  /**
   * A line that the I/O thread writes to standard error each time `decide` becomes a second late, since JS cannot do so
   * while it is busy. Default none.
   */
  lateNotice?: string;
  /** Called when JS is back after a missed deadline, with how late it was in milliseconds. */
  onLate?: (lateMs: number) => void;
  /** Choices made beforehand, which several queues may share. Default: every packet is asked about. */
  plans?: Plans;
  /**
   * Called, some time later, for what was settled without `decide`, in the order of the verdicts: what a plan decided,
   * each packet or some ({@link Plans.tellSome}), and flows that were left to the kernel because `decide` was late. A flow that `decide` was shown, and answered too
   * late, is among these. While {@link MOST_TOLD} wait to be told, packets of which each is told are asked about, and late
   * flows are not noted. Also called, for no packet, when half of a sequence is used up.
   */
  onTold?: ToldListener;
}

/** How many settled packets wait to be told at most, as in native/queue/told.h. */
export const MOST_TOLD = 8192;

/**
 * Told of the packets `from` to `from + count - 1` of a batch that holds for the call only. Their `marks` are what they
 * got: {@link KERNEL_DECIDES} for a late one.
 * @param nowMs tells the present moment, by the clock of `batch.atMs`
 */
export type ToldListener = (batch: Batch, from: number, count: number, nowMs: () => number) => void;

/** What CLOCK_MONOTONIC, by which native code dates packets and process.hrtime() counts, is ahead of performance.now(). */
const MONOTONIC_AHEAD_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now();

const monotonicMs = (): number => performance.now() + MONOTONIC_AHEAD_MS;

/**
 * Decides a batch: writes `batch.marks[0..count)`, each inside the mask; packets whose mark it leaves alone are the
 * kernel's to decide. Packets that have a mark already are not asked about, unless it is one of `undecidedFrom`, except for ICMP errors, which have the mark
 * of the connection that they are about; their answers are never remembered. It runs on the thread that opened the
 * queue, and may not use the batch after it has returned.
 */
export type Decide = (batch: Batch, count: number) => void;

/**
 * Counters since the queue was opened: `packets = decisions + cacheHits + kernelDecided + marked + droppedErrors +
 * dropped`.
 *
 * - `verdicts`: packets answered; `batches`: messages that carried them
 * - `decisions`: packets that `decide` or a plan gave a mark, `planned`: those of a plan; `cacheHits`: later packets of
 *   their flows
 * - `kernelDecided`: packets left to the kernel; `late`: calls of `decide` that missed the deadline,
 *   `lateFlows`: flows that were left to the kernel for that
 * - `marked`: packets that arrived with a mark in our bits and pass as they are; `droppedErrors`: ICMP errors that
 *   `decide` had dropped, `dropped`: other packets; `loops`: cache hits that were accepted instead of repeated,
 *   because rules that wipe the mark kept queueing them
 * - `invalid`: answers with bits outside the mask; `callbackErrors`: calls of `decide` that threw
 * - `malformed`: messages without a packet id; `enobufs`: overruns of the receive buffer
 * - `errors`: the kernel's errors for verdicts. `enoent` is normal now and then: a packet left the queue
 *   because its device went down or a table was removed
 * - `receiveBuffer`: bytes that the kernel granted, its own bookkeeping included (twice the size asked for)
 */
export interface QueueStats extends NativeStats {}

// The kernel charges a small packet 832 bytes of buffer, however little of it is copied.
const BYTES_PER_PACKET = 1024;

const DEFAULTS = {
  undecidedFrom: 0,
  maxLen: 8192,
  deadlineMs: 50,
  cacheMs: 3000,
  verdict: 'repeat',
  failOpen: true,
} as const;

/** The open queues of this thread, which are closed before it exits. */
const openQueues = new Set<Queue>();

// Needed since process.exit() does not run the addon's cleanup on the main thread, and a socket that the kernel
// closes drops the queued packets.
function closeAllNow(): void {
  for (const queue of openQueues) queue.closeNow();
}

/** An open netfilter queue. It keeps the process running until it is closed or `unref`ed. */
export class Queue {
  readonly num: number;
  readonly #native: NativeQueue;
  #closed: Promise<void> | undefined;
  #pings: (() => void)[] = [];

  /**
   * Opens a queue; packets may come as soon as the caller returns to the event loop.
   *
   * @param onError called for trouble while the queue is open: each kind once, `QUEUE_CALLBACK` each time. Without it
   *   an exception of `decide` is an uncaught exception, and other trouble is a process warning.
   * @throws QueueError when the system refuses; RangeError for an option out of range
   */
  static open(options: QueueOptions, decide: Decide, onError?: (error: QueueError) => void): Queue {
    return new Queue(options, decide, onError);
  }

  private constructor(options: QueueOptions, decide: Decide, onError?: (error: QueueError) => void) {
    const all = { ...DEFAULTS, ...options };
    const receiveBuffer = all.receiveBuffer ?? all.maxLen * BYTES_PER_PACKET;
    checkInteger('num', all.num, 0, 0xffff);
    checkInteger('mask', all.mask, 1, 0xffffffff);
    checkInteger('undecidedFrom', all.undecidedFrom, 0, 0xffffffff);
    // More than 65536 packets never wait at once: the kernel's table of waiting packets is full then.
    checkInteger('maxLen', all.maxLen, 1, 65536);
    checkInteger('deadlineMs', all.deadlineMs, 1, 10_000);
    checkInteger('cacheMs', all.cacheMs, 0, 60_000);
    checkInteger('receiveBuffer', receiveBuffer, 1, 2 ** 30);
    if (all.verdict !== 'repeat' && all.verdict !== 'accept') {
      throw new RangeError(`Expected the "verdict" option to be "repeat" or "accept"`);
    }

    this.num = all.num;
    const { Queue: Native } = loadAddon<QueueAddon>();
    try {
      this.#native = new Native(
        {
          num: all.num,
          mask: all.mask,
          undecidedFrom: all.undecidedFrom,
          maxLen: all.maxLen,
          deadlineMs: all.deadlineMs,
          cacheMs: all.cacheMs,
          repeat: all.verdict === 'repeat',
          failOpen: all.failOpen,
          receiveBuffer,
          ...(all.lateNotice === undefined ? {} : { lateNotice: all.lateNotice }),
          ...(all.plans === undefined ? {} : { plans: all.plans.native }),
        },
        (count) => decide(batch, count),
        (place, count) => all.onTold?.(told, place, count, monotonicMs),
        (kind, value) => {
          if (kind === 'late') return all.onLate?.(Number(value));
          if (kind === 'pong') return this.#pong();
          if (onError) return onError(describeEvent(all.num, kind, value));
          if (kind === 'callback') throw value;
          process.emitWarning(describeEvent(all.num, kind, value));
        },
      );
    } catch (error) {
      const ours = [...openQueues].some((queue) => queue.num === all.num);
      throw describeOpenError(all.num, error as NativeOpenError, ours, readQueueTable());
    }
    const { batch, told } = this.#native;
    if (openQueues.size === 0) process.on('exit', closeAllNow);
    openQueues.add(this);
  }

  /**
   * Closes without losing a packet: the kernel stops queueing (with `failOpen` it accepts new packets itself), queued
   * packets are decided, then the queue is released. Until then `decide` may still be called. May be called at any time,
   * also from `decide`; every call returns the same promise.
   */
  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#native.close(() => {
        this.#forgetQueue();
        resolve();
      });
    });
    return this.#closed;
  }

  /** Closes at once, for a process that is about to end: the kernel decides the packets that are still queued. */
  closeNow(): void {
    this.#native.closeNow();
    this.#forgetQueue();
    this.#closed ??= Promise.resolve();
  }

  stats(): QueueStats {
    return this.#native.stats();
  }

  /**
   * Resolves when the I/O thread has seen the ping and has woken JS, which is the way that each decision takes. Never
   * resolves when that thread is stuck or the queue is closed.
   */
  ping(): Promise<void> {
    return new Promise((resolve) => {
      this.#pings.push(resolve);
      this.#native.ping();
    });
  }

  /**
   * Drops the remembered decisions that equal `mark` under `mask` (default: all bits), for example when a WAN goes down:
   * the next packets of their flows are decided anew, and answers with that mark that are not sent yet are left to the
   * kernel. Returns how many decisions were dropped.
   */
  forget(mark: number, mask = 0xffffffff): number {
    return this.#native.forget(mark, mask);
  }

  /** Calls {@link QueueOptions.onTold} now for what there is to tell. Does nothing while that is being called. */
  tell(): void {
    this.#native.tell();
  }

  /** Replaces {@link QueueOptions.undecidedFrom} for packets that come from now on. @throws RangeError */
  setUndecidedFrom(value: number): void {
    checkInteger('undecidedFrom', value, 0, 0xffffffff);
    this.#native.setUndecidedFrom(value);
  }

  /** Keeps the process running while the queue is open, as is the default. */
  ref(): void {
    this.#native.ref();
  }

  /** Lets the process end while the queue is open. */
  unref(): void {
    this.#native.unref();
  }

  #pong(): void {
    const pings = this.#pings;
    this.#pings = [];
    for (const resolve of pings) resolve();
  }

  #forgetQueue(): void {
    openQueues.delete(this);
    if (openQueues.size === 0) process.off('exit', closeAllNow);
  }
}
