import type { Batch } from '../core/batch.js';
import { BatchFlow, type Flow } from '../core/flow.js';
import type { MarkField } from '../core/mark.js';
import type { Member } from '../core/member.js';
import type { Pool } from '../core/pool.js';

/** The bytes of the packet that was decided. A function, since making an array costs as much as a decision. */
export type PacketBytes = () => Uint8Array;

/** Told of each decision that a strategy made; flow and bytes are valid only during the call. */
export type DecisionListener = (pool: Pool, member: Member, flow: Flow, packet: PacketBytes) => void;

/** Finds the pool for packet `i` of a batch; undefined where none of our pools is meant. Called for each packet. */
export type FindPool = (batch: Batch, i: number) => Pool | undefined;

/**
 * The target whose mark a connection gets because it came in by this interface index; undefined where a strategy
 * chooses.
 */
export interface Inbound {
  get(ifindex: number): { readonly mark: number } | undefined;
}

/** The names of the members that did not answer this connection before; undefined for nearly all. */
export type Tried = (flow: Flow) => ReadonlySet<string> | undefined;

/** No connection comes in by a target of its own; this is for services. */
export const NO_INBOUND: Inbound = { get: () => undefined };

/**
 * Answers batches: all that happens on the JS thread for each new connection.
 *
 * A connection that came in by a WAN, which only a user's own rules queue, keeps that WAN and is not a decision. A
 * packet without a pool, as after a change of the rules, and one that its pool does not answer stay at KERNEL_DECIDES:
 * the kernel chooses.
 */
export class Decider {
  readonly #find: FindPool;
  readonly #field: MarkField;
  readonly #inbound: Inbound;
  readonly #listener: DecisionListener;
  readonly #tried: Tried;

  constructor(
    find: FindPool,
    field: MarkField,
    inbound: Inbound,
    listener: DecisionListener,
    tried: Tried = () => undefined,
  ) {
    this.#find = find;
    this.#field = field;
    this.#inbound = inbound;
    this.#listener = listener;
    this.#tried = tried;
  }

  /** Fills `batch.marks[0..count)`. Never throws: pools report the faults of their strategies. */
  readonly decide = (batch: Batch, count: number): void => {
    const flow = new BatchFlow(batch);
    let current = 0;
    const packet = () => packetBytes(batch, current);
    for (let i = 0; i < count; i++) {
      const entry = this.#inbound.get(batch.inIfindex[i]!);
      if (entry !== undefined) {
        batch.marks[i] = this.#field.encode(entry.mark);
        continue;
      }
      const pool = this.#find(batch, i);
      const member = pool?.select(flow.at(i), this.#tried(flow));
      if (pool === undefined || member === undefined) continue;
      batch.marks[i] = this.#field.encode(member.configured.mark);
      current = i;
      this.#listener(pool, member, flow, packet);
    }
  };
}

/** The copied bytes of packet `i`. */
function packetBytes(batch: Batch, i: number): Uint8Array {
  const stride = batch.bytes.length / batch.capacity;
  return batch.bytes.subarray(i * stride, i * stride + batch.copied[i]!);
}
