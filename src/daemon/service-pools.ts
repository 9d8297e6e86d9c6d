import { parseAddress } from '../core/address.js';
import type { Batch } from '../core/batch.js';
import type { Family } from '../core/family.js';
import { hashBytes } from '../core/hash.js';
import type { Pool } from '../core/pool.js';
import { TCP, UDP } from '../core/protocol.js';
import type { Service } from '../core/service.js';
import type { FindPool } from './decider.js';

const PROTO_NUMBERS = { tcp: TCP, udp: UDP } as const;
/**
 * How long the addresses of devices are believed. The kernel chooses for connections to an address that is newer; reading
 * takes a fraction of a millisecond.
 */
const BELIEVED_MS = 1000;

/** A service and its pool. */
export interface ServicePool {
  readonly service: Service;
  readonly pool: Pool;
}

export interface DeviceAddresses {
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Reads the addresses of devices at this moment; returns a function that tells those of one device and family. */
  readonly read: () => (device: string, family: Family) => readonly string[];
}

interface Entry extends ServicePool {
  readonly address: Uint8Array;
}

/** Keyed by a hash of the address, since a look-up for each packet must not make a text of it. */
type Entries = ReadonlyMap<number, readonly Entry[]>;

/** Finds a service's pool by address, protocol and port; first among the services that have an address of their own. */
export function findByService(pools: readonly ServicePool[], addresses: DeviceAddresses): FindPool {
  const fixed = entriesOf(pools, ({ address }) => (address === undefined ? [] : [address]));
  const moving = pools.filter(({ service }) => service.device !== undefined);
  if (moving.length === 0) return (batch, i) => findIn(fixed, batch, i);
  let current: Entries = new Map();
  let readAt = Number.NEGATIVE_INFINITY;
  return (batch, i) => {
    const found = findIn(fixed, batch, i);
    if (found !== undefined) return found;
    const now = addresses.now();
    if (now - readAt > BELIEVED_MS) {
      readAt = now;
      const of = addresses.read();
      current = entriesOf(moving, ({ device, family }) => of(device!, family));
    }
    return findIn(current, batch, i);
  };
}

function entriesOf(
  pools: readonly ServicePool[],
  addresses: (service: Service) => readonly string[],
): Entries {
  const entries = new Map<number, Entry[]>();
  for (const one of pools) {
    for (const text of addresses(one.service)) {
      const address = parseAddress(text);
      const hash = hashBytes(address, 0, address.length);
      entries.set(hash, [...(entries.get(hash) ?? []), { ...one, address }]);
    }
  }
  return entries;
}

function findIn(entries: Entries, batch: Batch, i: number): Pool | undefined {
  const length = batch.family[i] === 6 ? 16 : 4;
  const those = entries.get(hashBytes(batch.dst, 16 * i, length));
  if (those === undefined) return undefined;
  for (const entry of those) if (isFor(entry, batch, i)) return entry.pool;
  return undefined;
}

function isFor({ address, service }: Entry, batch: Batch, i: number): boolean {
  if (batch.family[i] !== service.family) return false;
  for (let at = 0; at < address.length; at++) if (batch.dst[16 * i + at] !== address[at]) return false;
  const { proto, ports } = service;
  if (proto === 'any' || ports === undefined) return true;
  const port = batch.dport[i]!;
  return batch.proto[i] === PROTO_NUMBERS[proto] && port >= ports.low && port <= ports.high;
}
