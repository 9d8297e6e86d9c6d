import type { Tuple } from '../core/tuple.js';
import type { Exclusion } from './exclusion.js';
import type { Flushed, Selection } from './selection.js';

/** The options of the addon's constructor: every field is set and in range. */
export interface NativeConntrackOptions {
  mask: number;
  /** The largest number that is counted, 1..65535. */
  highest: number;
  established: boolean;
  receiveBuffer: number;
  mostReceiveBuffer: number;
  intervalMs: number;
  updates: boolean;
  exclusion: NativeExclusion | undefined;
}

/** An exclusion, and the ports of probes, which the addon reads for as long as it counts. */
export interface NativeExclusion extends Exclusion {
  /** The same array each time; see `probePorts`. */
  probePorts: Uint8Array;
}

/**
 * - `ready`: the first dump is through
 * - `trouble`: a call of the kernel failed for the first time; the value is the errno
 */
export type NativeConntrackEvent = 'ready' | 'trouble';

/** The addon's counters; see `CounterStats`. */
export interface NativeConntrackStats {
  dumps: number;
  entries: number;
  events: number;
  overruns: number;
  missed: number;
  found: number;
  errors: number;
  dumpMs: number;
  eventMs: number;
  intervalMs: number;
  receiveBuffer: number;
}

/** The addon's counter, open from construction on. The memory of the three arrays is shared with its thread. */
export interface NativeConntrack {
  /** The connections of number n are `(counts[n] + decided[n] + planned[n]) | 0`. Written by the thread. */
  readonly counts: Int32Array;
  /** Decisions so far, modulo 2^32. Written by JS. */
  readonly decided: Uint32Array;
  /** Decisions of plans so far, modulo 2^32. Written by the threads of queues. */
  readonly planned: Uint32Array;
  /** Ends the thread and calls back. Only the first call does anything. */
  close(onClosed: () => void): void;
  /** Does the same as `close`, but before it returns. */
  closeNow(): void;
  /** Replaces what is left out, from the next dump on. @throws TypeError for a text that is not a network */
  exclude(exclusion: NativeExclusion): void;
  stats(): NativeConntrackStats;
  ref(): void;
  unref(): void;
}

/** The addon's news of connections; the arrays hold what the last `read` has found. */
export interface NativeNews {
  readonly family: Uint8Array;
  readonly proto: Uint8Array;
  readonly src: Uint8Array;
  readonly dst: Uint8Array;
  readonly sport: Uint16Array;
  readonly dport: Uint16Array;
  readonly mark: Uint32Array;
  /** Undefined once it is closed. @throws an Error with `errno` */
  read(): { readonly count: number; readonly lost: boolean; readonly more: boolean } | undefined;
  /** @throws TypeError for a text that is not a network */
  exclude(exclusion: NativeExclusion): void;
  close(): void;
}

/** The options of that: every field is set and in range. */
export interface NativeNewsOptions {
  mask: number;
  /** How many connections the arrays hold, 64 or more. */
  capacity: number;
  receiveBuffer: number;
  mostReceiveBuffer: number;
  exclusion: NativeExclusion | undefined;
}

/** One connection, with the fields of an `Entry` (requests.ts); `tcpState` is the kernel's number. */
export interface NativeEntry {
  mark: number;
  status: number;
  timeout: number;
  tcpState?: number;
}

/** Why the constructor threw or a request was rejected: the step that failed, and what the kernel answered. */
export interface NativeConntrackError extends Error {
  step: 'socket' | 'privilege' | 'support' | 'events' | 'loop' | 'thread' | 'request';
  errno: number;
}

/** This folder's part of the addon. */
export interface ConntrackAddon {
  Conntrack: new (
    options: NativeConntrackOptions,
    onEvent: (kind: NativeConntrackEvent, value: unknown) => void,
  ) => NativeConntrack;
  ConntrackNews: new (options: NativeNewsOptions, onReadable: () => void) => NativeNews;
  flushConntrack(mark: number, mask: number, selection: Selection): Promise<Flushed | undefined>;
  /**
   * Returns one entry for each tuple, in their order; throws a TypeError for an address that is not of the tuple's
   * family.
   */
  lookupConntrack(tuples: readonly Tuple[]): Promise<(NativeEntry | undefined)[]>;
  /**
   * Returns for each question whether its connection was ended; throws a TypeError for an address that is not of the
   * tuple's family, and a RangeError for mask 0.
   */
  forgetConntrack(
    questions: readonly { tuple: Tuple; mark: number }[],
    mask: number,
    unanswered: boolean,
  ): Promise<boolean[]>;
}
