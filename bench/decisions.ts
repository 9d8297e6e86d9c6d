import { type Batch, COPY_BYTES } from '#wanmark/core/batch.js';
import { MarkField } from '#wanmark/core/mark.js';
import { Pool } from '#wanmark/core/pool.js';
import { States } from '#wanmark/core/states.js';
import { STRATEGIES } from '#wanmark/core/strategies/registry.js';
import { wanMember } from '#wanmark/core/wan.js';
import { Decider } from '#wanmark/daemon/decider.js';

/** Packets in a batch: 4 is usual at the kernel's own pace, 64 when the daemon is behind. */
export const BATCHES = [1, 4, 64] as const;
export const STRATEGY_NAMES = ['round-robin', 'weighted', 'least-connections', 'source-hash'] as const;
const WANS = 3;
const CONNECTIONS = 100_000;
const ROUNDS = 5;

function batchOf(capacity: number): Batch {
  const batch: Batch = {
    capacity,
    family: new Uint8Array(capacity).fill(4),
    proto: new Uint8Array(capacity).fill(17),
    flags: new Uint8Array(capacity),
    src: new Uint8Array(16 * capacity),
    dst: new Uint8Array(16 * capacity),
    sport: new Uint16Array(capacity),
    dport: new Uint16Array(capacity).fill(53),
    inIfindex: new Uint32Array(capacity).fill(2),
    outIfindex: new Uint32Array(capacity),
    oldMark: new Uint32Array(capacity),
    length: new Uint32Array(capacity).fill(60),
    atMs: new Float64Array(capacity),
    mac: new Float64Array(capacity),
    copied: new Uint8Array(capacity).fill(60),
    bytes: new Uint8Array(COPY_BYTES * capacity),
    marks: new Uint32Array(capacity),
  };
  for (let i = 0; i < capacity; i++) {
    batch.src.set([10, 1, 0, 1 + i], 16 * i);
    batch.dst.set([203, 0, 113, 10], 16 * i);
    batch.sport[i] = 1024 + i;
  }
  return batch;
}

/** Connections that one JavaScript thread decides a second without a kernel, in the best of several rounds. */
export function decisionsPerSecond(strategy: string, size: number, seconds: number): number {
  const wans = Array.from({ length: WANS }, (_, i) => ({
    name: `wan${i + 1}`,
    dev: `wan${i + 1}`,
    via: 'dev',
    via6: undefined,
    weight: 3 - i,
    tier: 1,
    mark: i + 1,
    nat: 'masquerade',
    nat6: 'masquerade',
  }));
  const context = { random: Math.random, now: () => performance.now(), connections: () => CONNECTIONS };
  const onFault = (fault: string, error: unknown) => {
    throw new Error(`${strategy} ${fault}: ${error}`);
  };
  const members = wans.map(wanMember);
  const pool = new Pool({
    name: 'wans',
    members,
    strategy: { name: strategy, strategy: STRATEGIES.get(strategy)!(context) },
    states: new States(members.map(({ target }) => target)),
    onFault,
  });
  const nothing = () => undefined;
  const { decide } = new Decider(() => pool, new MarkField(0xff), { get: nothing }, nothing);
  const batch = batchOf(size);
  let best = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    const end = start + (seconds * 1000) / ROUNDS;
    let decided = 0;
    while (performance.now() < end) {
      for (let i = 0; i < 1000; i++) {
        batch.marks.fill(0);
        decide(batch, size);
      }
      decided += 1000 * size;
    }
    best = Math.max(best, (decided * 1000) / (performance.now() - start));
  }
  return best;
}
