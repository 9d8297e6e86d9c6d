import { parseAddress } from '../core/address.js';
import type { Batch } from '../core/batch.js';
import { hashBytes } from '../core/hash.js';
import type { Pool } from '../core/pool.js';
import { TCP, UDP } from '../core/protocol.js';
import type { Service } from '../core/service.js';
import type { FindPool } from './decider.js';

const PROTO_NUMBERS = { tcp: TCP, udp: UDP } as const;

/** A service and its pool. */
export interface ServicePool {
  readonly service: Service;
  readonly pool: Pool;
}

interface Entry extends ServicePool {
  readonly address: Uint8Array;
}

/** Finds a service's pool by address, protocol and port. */
export function findByService(pools: readonly ServicePool[]): FindPool {
  // Keyed by a hash of the address, since a look-up for each packet must not make a text of it.
  const entries = new Map<number, Entry[]>();
  for (const one of pools) {
    const address = parseAddress(one.service.address);
    const hash = hashBytes(address, 0, address.length);
    entries.set(hash, [...(entries.get(hash) ?? []), { ...one, address }]);
  }
  return (batch, i) => {
    const length = batch.family[i] === 6 ? 16 : 4;
    const those = entries.get(hashBytes(batch.dst, 16 * i, length));
    if (those === undefined) return undefined;
    for (const entry of those) if (isFor(entry, batch, i)) return entry.pool;
    return undefined;
  };
}

function isFor({ address, service }: Entry, batch: Batch, i: number): boolean {
  if (batch.family[i] !== service.family) return false;
  for (let at = 0; at < address.length; at++) if (batch.dst[16 * i + at] !== address[at]) return false;
  const { proto, ports } = service;
  if (proto === 'any' || ports === undefined) return true;
  const port = batch.dport[i]!;
  return batch.proto[i] === PROTO_NUMBERS[proto] && port >= ports.low && port <= ports.high;
}
