import type { Batch } from '../core/batch.js';

/** Options of the addon's constructor, which checks nothing: every field must be set and in range. */
export interface NativeQueueOptions {
  num: number;
  mask: number;
  /** 0: every packet with a mark is decided. */
  undecidedFrom: number;
  maxLen: number;
  deadlineMs: number;
  cacheMs: number;
  /** NF_REPEAT instead of NF_ACCEPT for packets that got a mark. */
  repeat: boolean;
  failOpen: boolean;
  /** Bytes, at most 2^30. */
  receiveBuffer: number;
  /** A line that the I/O thread writes to standard error when JS is a second late. */
  lateNotice?: string;
  plans?: NativePlans;
}

/**
 * An event of the I/O thread, with a value.
 * - `callback`: `decide` threw the value. Throwing it again makes it an uncaught exception.
 * - `permission`, `gone`, `socket`: this trouble occurred for the first time; the value is the errno.
 */
export type NativeEvent = 'callback' | 'permission' | 'gone' | 'socket';

/**
 * A sign of the I/O thread, with a value.
 * - `late`: JS is back after it missed a deadline by the value, in milliseconds.
 * - `pong`: the I/O thread has seen a `ping`; the value means nothing.
 */
export type NativeSign = 'late' | 'pong';

/** The addon's counters; see `QueueStats`. */
export interface NativeStats {
  packets: number;
  verdicts: number;
  batches: number;
  decisions: number;
  planned: number;
  cacheHits: number;
  kernelDecided: number;
  marked: number;
  droppedErrors: number;
  dropped: number;
  loops: number;
  late: number;
  lateFlows: number;
  invalid: number;
  callbackErrors: number;
  malformed: number;
  enobufs: number;
  receiveBuffer: number;
  errors: { enoent: number; eperm: number; enodev: number; other: number };
}

/** The addon's queue, open from its construction on. */
export interface NativeQueue {
  /** Typed arrays over memory that the I/O thread fills before it has `decide` called. */
  readonly batch: Batch;
  /** Typed arrays over the memory of what `onTold` is called for. */
  readonly told: Batch;
  /** Drains, ends the I/O thread and calls back. Only the first call does anything. */
  close(onClosed: () => void): void;
  /** Closes at once without calling `decide`: queued packets are left to the kernel. */
  closeNow(): void;
  stats(): NativeStats;
  /** Asks for a `pong`. */
  ping(): void;
  /** Calls `onTold` at once for what there is. */
  tell(): void;
  forget(mark: number, mask: number): number;
  setUndecidedFrom(value: number): void;
  ref(): void;
  unref(): void;
}

/** What the constructor throws: the step that failed, and the kernel's errno. */
export interface NativeOpenError extends Error {
  step: 'socket' | 'privilege' | 'bind' | 'loop' | 'thread';
  errno: number;
}

/** The addon's plans, which checks nothing: see src/queue/plans.ts. */
export interface NativePlans {
  append(
    field: number,
    family: number,
    marks: Uint32Array,
    repeat: number,
    repeated: number,
    whole: boolean,
  ): number | undefined;
  replace(
    field: number,
    family: number,
    marks: Uint32Array,
    repeat: number,
    used: number,
    keep: number,
    progress: Uint32Array,
  ): void;
  setTable(field: number, family: number, marks: Uint32Array, fields: number): void;
  share(field: number, family: number, other: number): void;
  clear(field: number, family: number, progress: Uint32Array): void;
  take(field: number, family: number): number | undefined;
  /** Writes how many choices are ahead, were used, and of these repeated, as those above do. */
  progress(field: number, family: number, progress: Uint32Array): void;
  tellSome(field: number, family: number, some: boolean): void;
  /** Returns a mark, its count, another mark and so on. */
  takeCounts(field: number, family: number): Uint32Array;
  countIn(words: Uint32Array | undefined, shift: number): void;
  askByInterface(ifindexes: Uint32Array): void;
  askByFlow(
    family: number,
    proto: number,
    src: Uint8Array,
    sport: number,
    dst: Uint8Array,
    dport: number,
    forMs: number,
  ): void;
}

/** The part of the addon that this folder uses. */
export interface QueueAddon {
  Plans: new () => NativePlans;
  Queue: new (
    options: NativeQueueOptions,
    decide: (count: number) => void,
    onTold: (place: number, count: number) => void,
    onEvent: (kind: NativeEvent | NativeSign, value: unknown) => void,
  ) => NativeQueue;
}
