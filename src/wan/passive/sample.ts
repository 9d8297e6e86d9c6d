import { UDP } from '../../core/protocol.js';
import type { Tuple } from '../../core/tuple.js';
import { FIRST_SYN_MS, LATER_SYN_MS } from './answer-times.js';
import type { Unanswered } from './evidence.js';
import type { Move } from './moves.js';
import { networkOf } from './network.js';

/** From this age on a TCP connection should have its answer. */
export const FIRST_LOOK_MS = 250;
/** Ages at which a connection is looked at, until it is answered. */
const LOOKS_MS = [FIRST_LOOK_MS, 500, FIRST_SYN_MS, 1250, 1750, 2300, LATER_SYN_MS] as const;
/** Where resets are looked for: most have come by then, and each moment more makes others hear of one. */
const RESET_LOOK_MS = 25;
/** A moved connection is looked at sooner as well, since its answer speaks against the WAN that did not answer it. */
const MOVED_LOOKS_MS = [100, ...LOOKS_MS] as const;
const RESETS_LOOKS_MS = [RESET_LOOK_MS, ...LOOKS_MS] as const;
/** Unanswered UDP is looked at less often, since it is mostly one-way on purpose. */
const UDP_LOOKS_MS = [250, 500, FIRST_SYN_MS] as const;

/** A connection that is followed. */
export interface Sample {
  readonly id: number;
  /**
   * The WAN that it was given to. The kernel may have chosen another one, if the decision came too late. Undefined until
   * the first look where only the kernel knows.
   */
  wan: string | undefined;
  readonly tuple: Tuple;
  /** When the connection was decided. */
  readonly decidedAt: number;
  /** The same, by the clock without the time in which the process stood still: for ages. */
  readonly bornMs: number;
  /** Its own move away from another WAN; undefined for nearly all. */
  readonly move: Move | undefined;
  looks: number;
  /** The age at which it was last seen without an answer, in ms; 0 where it never was. */
  knownMs: number;
}

/** One whose WAN is known. */
export type Seen = Sample & { readonly wan: string };

/**
 * The ages at which it is looked at, in ms.
 * @param resets whether there is one more look for what a reset ended
 */
export function looksOf({ tuple, move }: Sample, resets: boolean): readonly number[] {
  if (move !== undefined) return MOVED_LOOKS_MS;
  if (tuple.proto === UDP) return UDP_LOOKS_MS;
  return resets ? RESETS_LOOKS_MS : LOOKS_MS;
}

/** What its lack of an answer is for the evidence. @param ageMs how old it was when it was seen so */
export function unansweredOf({ id, decidedAt, tuple }: Sample, ageMs: number): Unanswered {
  return { id, decidedAt, ageMs, client: tuple.src, network: networkOf(tuple.dst) };
}
