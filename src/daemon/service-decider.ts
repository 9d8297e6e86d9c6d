import type { NamedStrategy } from '../config/strategy.js';
import { parseAddress } from '../core/address.js';
import type { Batch } from '../core/batch.js';
import { BatchFlow, type Flow } from '../core/flow.js';
import { hashBytes } from '../core/hash.js';
import type { MarkField } from '../core/mark.js';
import type { Selector } from '../core/selector.js';
import type { Backend, Service } from '../core/service.js';
import { type PacketBytes, packetBytes } from './decider.js';

/** A service and who chooses among its backends. */
export interface Pool {
  readonly service: Service;
  readonly strategy: NamedStrategy;
  readonly selector: Selector;
}

/** Told of each decision that a strategy made; the flow and the bytes are valid during the call only. */
export type ServiceListener = (pool: Pool, backend: Backend, flow: Flow, packet: PacketBytes) => void;

interface Entry extends Pool {
  readonly address: Uint8Array;
}

const PROTO_NUMBERS = { tcp: 6, udp: 17 } as const;

/**
 * Answers batches of new connections to services: finds the service by address, protocol and port, and asks its
 * strategy. What is for no service of ours, as after a change of the rules, is left to the kernel.
 */
export class ServiceDecider {
  /** By hash of the address: a look-up for each packet must not make a text of it. */
  readonly #entries = new Map<number, Entry[]>();
  readonly #marks: ReadonlyMap<Backend, number>;
  readonly #picks: Map<Backend, number>;
  readonly #listener: ServiceListener | undefined;

  constructor(pools: readonly Pool[], field: MarkField, listener: ServiceListener | undefined) {
    for (const pool of pools) {
      const address = parseAddress(pool.service.address);
      const hash = hashBytes(address, 0, address.length);
      const others = this.#entries.get(hash) ?? [];
      this.#entries.set(hash, [...others, { ...pool, address }]);
    }
    const backends = pools.flatMap(({ service }) => service.backends);
    this.#marks = new Map(backends.map((backend) => [backend, field.encode(backend.mark)]));
    this.#picks = new Map(backends.map((backend) => [backend, 0]));
    this.#listener = listener;
  }

  /** Fills `batch.marks[0..count)`. Never throws: a fault of a strategy is its selector's to report. */
  readonly decide = (batch: Batch, count: number): void => {
    const flow = new BatchFlow(batch);
    let current = 0;
    const packet = () => packetBytes(batch, current);
    for (let i = 0; i < count; i++) {
      const pool = this.#find(batch, i);
      if (pool === undefined) continue;
      // What a selector of backends returns is one of its candidates, so a backend.
      const backend = pool.selector.select(flow.at(i)) as Backend | undefined;
      if (backend === undefined) continue;
      batch.marks[i] = this.#marks.get(backend)!;
      this.#picks.set(backend, this.#picks.get(backend)! + 1);
      current = i;
      this.#listener?.(pool, backend, flow, packet);
    }
  };

  /** Decisions for `backend` since the start. */
  picks(backend: Backend): number {
    return this.#picks.get(backend) ?? 0;
  }

  #find(batch: Batch, i: number): Entry | undefined {
    const length = batch.family[i] === 6 ? 16 : 4;
    const entries = this.#entries.get(hashBytes(batch.dst, 16 * i, length));
    return entries?.find((entry) => isFor(entry, batch, i));
  }
}

function isFor({ address, service }: Entry, batch: Batch, i: number): boolean {
  if (batch.family[i] !== service.family) return false;
  for (let at = 0; at < address.length; at++) if (batch.dst[16 * i + at] !== address[at]) return false;
  const { proto, ports } = service;
  if (proto === 'any' || ports === undefined) return true;
  const port = batch.dport[i]!;
  return batch.proto[i] === PROTO_NUMBERS[proto] && port >= ports.low && port <= ports.high;
}
