import type { Batch } from '../core/batch.js';
import { BatchFlow, type Flow } from '../core/flow.js';
import type { MarkField } from '../core/mark.js';
import type { Selector } from '../core/selector.js';
import type { Wan } from '../core/wan.js';

/** The bytes of the packet that is told of; made when they are asked for, since an array costs as much as a decision. */
export type PacketBytes = () => Uint8Array;

/** Told of each decision that a strategy made; the flow and the bytes are valid during the call only. */
export type DecisionListener = (wan: Wan, flow: Flow, packet: PacketBytes) => void;

/** The WAN of each interface index that belongs to exactly one. */
export type Inbound = Pick<ReadonlyMap<number, Wan>, 'get'>;

/**
 * Answers batches: the whole of what happens on the JS thread for each new connection.
 *
 * An inbound connection, which rules of the user's own may queue, keeps the WAN it came in by and is no decision.
 * An answer that is left at KERNEL_DECIDES goes to the kernel's own choice.
 */
export class Decider {
  readonly #selector: Selector;
  /** By the WAN's number: its mark, shifted into the field. */
  readonly #marks: ReadonlyMap<number, number>;
  /** By the WAN's number. */
  readonly #picks: Map<number, number>;
  readonly #inbound: Inbound;
  readonly #listener: DecisionListener | undefined;

  constructor(
    selector: Selector,
    field: MarkField,
    inbound: Inbound,
    listener: DecisionListener | undefined,
  ) {
    this.#selector = selector;
    this.#marks = new Map(selector.wans.map(({ mark }) => [mark, field.encode(mark)]));
    this.#picks = new Map(selector.wans.map(({ mark }) => [mark, 0]));
    this.#inbound = inbound;
    this.#listener = listener;
  }

  /** Fills `batch.marks[0..count)`. Never throws: a fault of the strategy is the selector's to report. */
  readonly decide = (batch: Batch, count: number): void => {
    const flow = new BatchFlow(batch);
    let current = 0;
    const packet = () => packetBytes(batch, current);
    for (let i = 0; i < count; i++) {
      const entry = this.#inbound.get(batch.inIfindex[i]!);
      const wan = entry ?? this.#selector.select(flow.at(i));
      if (wan === undefined) continue;
      batch.marks[i] = this.#marks.get(wan.mark)!;
      if (entry !== undefined) continue;
      this.#picks.set(wan.mark, this.#picks.get(wan.mark)! + 1);
      current = i;
      this.#listener?.(wan, flow, packet);
    }
  };

  /** Decisions for `wan` since the start. */
  picks(wan: Wan): number {
    return this.#picks.get(wan.mark) ?? 0;
  }
}

/** The copied bytes of packet `i`. */
export function packetBytes(batch: Batch, i: number): Uint8Array {
  const stride = batch.bytes.length / batch.capacity;
  return batch.bytes.subarray(i * stride, i * stride + batch.copied[i]!);
}
