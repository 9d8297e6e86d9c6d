import type { Batch } from '../core/batch.js';

/** What the addon's constructor takes: every field set and in range, it does not check again. */
export interface NativeQueueOptions {
  num: number;
  mask: number;
  maxLen: number;
  deadlineMs: number;
  cacheMs: number;
  /** NF_REPEAT instead of NF_ACCEPT for packets that got a mark. */
  repeat: boolean;
  failOpen: boolean;
  /** Bytes, at most 2^30. */
  receiveBuffer: number;
  /** Written to standard error by the I/O thread when JS is late for a second. */
  lateNotice?: string;
}

/**
 * - `callback`: `decide` threw; the value is what it threw. Throwing it again makes it an uncaught exception.
 * - `permission`, `gone`, `socket`: the I/O thread met this trouble for the first time; the value is the errno.
 */
export type NativeEvent = 'callback' | 'permission' | 'gone' | 'socket';

/**
 * - `late`: JS is back after it missed a deadline; the value is by how many milliseconds.
 * - `pong`: the I/O thread has seen a `ping`.
 */
export type NativeSign = 'late' | 'pong';

/** The addon's counters; see `QueueStats`. */
export interface NativeStats {
  packets: number;
  verdicts: number;
  batches: number;
  decisions: number;
  cacheHits: number;
  kernelDecided: number;
  marked: number;
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

/** The addon's queue: open from construction on. */
export interface NativeQueue {
  /** Typed arrays over memory that the I/O thread fills before it has `decide` called. */
  readonly batch: Batch;
  /** Drains, ends the I/O thread and calls back. Only the first call does anything. */
  close(onClosed: () => void): void;
  /** The same at once and without `decide`: what is queued is left to the kernel. */
  closeNow(): void;
  stats(): NativeStats;
  /** Asks for a `pong`. */
  ping(): void;
  forget(mark: number, mask: number): number;
  ref(): void;
  unref(): void;
}

/** Why the constructor threw: the step that failed, and what the kernel answered. */
export interface NativeOpenError extends Error {
  step: 'socket' | 'privilege' | 'bind' | 'loop' | 'thread';
  errno: number;
}

/** This folder's part of the addon. */
export interface QueueAddon {
  Queue: new (
    options: NativeQueueOptions,
    decide: (count: number) => void,
    onEvent: (kind: NativeEvent | NativeSign, value: unknown) => void,
  ) => NativeQueue;
}
