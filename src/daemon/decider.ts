import { type Batch, DROP } from '../core/batch.js';
import { BatchFlow, type Flow } from '../core/flow.js';
import { isUnreachable, quotedTuple } from '../core/icmp-error.js';
import type { MarkField } from '../core/mark.js';
import type { Member } from '../core/member.js';
import type { Pool } from '../core/pool.js';
import type { Tuple } from '../core/tuple.js';
import type { Choice } from './ahead/planner.js';
import { type Moment, NOW } from './moment.js';

/** The bytes of the packet that was decided. A function, since making an array costs as much as a decision. */
export type PacketBytes = () => Uint8Array;

/**
 * Told of each decision that a strategy made; flow and bytes are valid only during the call.
 * @param when it was decided: before now for a choice that was made beforehand
 */
export type DecisionListener = (
  pool: Pool,
  member: Member,
  flow: Flow,
  packet: PacketBytes,
  when: Moment,
) => void;

/**
 * Told of a new connection that the kernel chose for, because its decision was late; the flow is valid only during the
 * call.
 * @param ageMs how old the connection is
 */
export type LateListener = (pool: Pool, flow: Flow, ageMs: number) => void;

/**
 * Told of an ICMP error that says "unreachable" about a connection of ours.
 * @param number the number of the target that the connection was given to
 * @returns whether the error is taken away, because another target gets the connection's next packet
 */
export type ErrorListener = (tuple: Tuple, number: number) => boolean;

/** Finds the pool for packet `i` of a batch; undefined where none of our pools is meant. Called for each packet. */
export type FindPool = (batch: Batch, i: number) => Pool | undefined;

/**
 * The target whose mark a connection of a family gets because it came in by this interface index; undefined where a
 * strategy chooses.
 */
export interface Inbound {
  get(ifindex: number, family: number): { readonly mark: number } | undefined;
}

/** The names of the members that did not answer this connection before; undefined for nearly all. */
export type Tried = (flow: Flow) => ReadonlySet<string> | undefined;

/** No connection comes in by a target of its own; this is for services. */
export const NO_INBOUND: Inbound = { get: () => undefined };

export interface DeciderOptions {
  /** By default no connection was tried before. */
  readonly tried?: Tried | undefined;
  /** By default errors pass. */
  readonly onError?: ErrorListener | undefined;
  /** The next of the choices that were made beforehand for packets of a mark and family; by default there are none. */
  readonly planned?: ((oldMark: number, family: number) => Choice | undefined) | undefined;
  /** By default nobody hears of late decisions. */
  readonly onLate?: LateListener | undefined;
  /** The lowest number in the field that names a policy and no target; by default there are no policies. */
  readonly undecidedFrom?: number | undefined;
}

/**
 * Answers batches: all that happens on the JS thread for each new connection.
 *
 * A connection that came in by a WAN, which only a user's own rules queue, keeps that WAN and is not a decision. A
 * packet without a pool, as after a change of the rules, and one that its pool does not answer stay at KERNEL_DECIDES:
 * the kernel chooses. A pool that is closed has its packets dropped.
 *
 * A packet that has the mark of a target already is an ICMP error about a connection, and no new connection: a listener may
 * have it dropped, and otherwise it passes. The mark of a policy says which pool is asked.
 */
export class Decider {
  readonly #find: FindPool;
  readonly #field: MarkField;
  readonly #inbound: Inbound;
  readonly #listener: DecisionListener;
  readonly #tried: Tried;
  readonly #planned: NonNullable<DeciderOptions['planned']>;
  readonly #onError: ErrorListener;
  readonly #onLate: LateListener;
  readonly #undecidedFrom: number;

  constructor(
    find: FindPool,
    field: MarkField,
    inbound: Inbound,
    listener: DecisionListener,
    {
      tried = () => undefined,
      planned = () => undefined,
      onError = () => false,
      onLate = () => undefined,
      undecidedFrom,
    }: DeciderOptions = {},
  ) {
    this.#find = find;
    this.#field = field;
    this.#inbound = inbound;
    this.#listener = listener;
    this.#tried = tried;
    this.#planned = planned;
    this.#onError = onError;
    this.#onLate = onLate;
    this.#undecidedFrom = undecidedFrom ?? Number.POSITIVE_INFINITY;
  }

  /** Fills `batch.marks[0..count)`. Never throws: pools report the faults of their strategies. */
  readonly decide = (batch: Batch, count: number): void => {
    const flow = new BatchFlow(batch);
    let current = 0;
    const packet = () => packetBytes(batch, current);
    for (let i = 0; i < count; i++) {
      const given = this.#field.decode(batch.oldMark[i]!);
      if (given !== 0 && given < this.#undecidedFrom) {
        if (this.#takesAway(batch, i, given)) batch.marks[i] = DROP;
        continue;
      }
      const entry = this.#inbound.get(batch.inIfindex[i]!, batch.family[i]!);
      if (entry !== undefined) {
        batch.marks[i] = this.#field.encode(entry.mark);
        continue;
      }
      flow.at(i);
      const tried = this.#tried(flow);
      const planned = tried === undefined ? this.#planned(batch.oldMark[i]!, batch.family[i]!) : undefined;
      const pool = planned?.pool ?? this.#find(batch, i);
      const member = planned?.member ?? pool?.select(flow, tried);
      if (pool === undefined || member === undefined) {
        if (pool?.isClosed) batch.marks[i] = DROP;
        continue;
      }
      batch.marks[i] = this.#field.encode(member.configured.mark);
      current = i;
      this.#listener(pool, member, flow, packet, NOW);
    }
  };

  /** Tells the listener of packet `i` of a batch, which the kernel has chosen for, unless it came in by a target. */
  late(batch: Batch, i: number, ageMs: number): void {
    if (this.#inbound.get(batch.inIfindex[i]!, batch.family[i]!) !== undefined) return;
    const pool = this.#find(batch, i);
    if (pool !== undefined) this.#onLate(pool, new BatchFlow(batch).at(i), ageMs);
  }

  #takesAway(batch: Batch, i: number, given: number): boolean {
    if (!isUnreachable(batch.proto[i]!, batch.dport[i]!)) return false;
    const tuple = quotedTuple(packetBytes(batch, i));
    return tuple !== undefined && this.#onError(tuple, given);
  }
}

/** The copied bytes of packet `i`. */
export function packetBytes(batch: Batch, i: number): Uint8Array {
  const stride = batch.bytes.length / batch.capacity;
  return batch.bytes.subarray(i * stride, i * stride + batch.copied[i]!);
}
