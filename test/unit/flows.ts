import { bytesKey, parseAddress } from '#wanmark/core/address.js';
import { type Batch, COPY_BYTES } from '#wanmark/core/batch.js';
import type { Flow } from '#wanmark/core/flow.js';
import { hashText } from '#wanmark/core/hash.js';
import { type Fault, Pool } from '#wanmark/core/pool.js';
import { States } from '#wanmark/core/states.js';
import type { Stickiness } from '#wanmark/core/stickiness.js';
import type { Strategy } from '#wanmark/core/strategy.js';
import { targetId } from '#wanmark/core/target.js';
import { type Wan, wanMember, wanTarget } from '#wanmark/core/wan.js';
import { networkOf } from '#wanmark/wan/passive/network.js';

/** A flow with the fields that matter to a test; the rest are those of a TCP connection. */
export function flow(fields: Partial<Flow> = {}): Flow {
  const src = fields.src ?? '192.168.1.10';
  const dst = fields.dst ?? '203.0.113.1';
  return {
    family: 4,
    proto: 6,
    protoName: 'tcp',
    src,
    dst,
    srcKey: bytesKey(parseAddress(src), 0, src.includes(':') ? 8 : 4),
    dstKey: bytesKey(parseAddress(dst), 0, dst.includes(':') ? 16 : 4),
    sport: 40000,
    dport: 80,
    srcHash: hashText(src),
    dstHash: hashText(dst),
    dstNetworkHash: hashText(networkOf(dst)),
    inIfindex: 2,
    outIfindex: 0,
    oldMark: 0,
    length: 60,
    mac: 0,
    ...fields,
  };
}

/** A WAN with IPv4 and IPv6; mark and name from its position. */
export function wan(mark: number, fields: Partial<Wan> = {}): Wan {
  return {
    name: `wan${mark}`,
    dev: `eth${mark}`,
    via: `192.0.2.${mark}`,
    via6: `fe80::${mark}`,
    weight: 1,
    tier: 1,
    mark,
    nat: 'masquerade',
    nat6: 'masquerade',
    ...fields,
  };
}

/** An empty batch with its own arrays. */
export function emptyBatch(capacity: number): Batch {
  return {
    capacity,
    family: new Uint8Array(capacity),
    proto: new Uint8Array(capacity),
    flags: new Uint8Array(capacity),
    src: new Uint8Array(16 * capacity),
    dst: new Uint8Array(16 * capacity),
    sport: new Uint16Array(capacity),
    dport: new Uint16Array(capacity),
    inIfindex: new Uint32Array(capacity),
    outIfindex: new Uint32Array(capacity),
    oldMark: new Uint32Array(capacity),
    length: new Uint32Array(capacity),
    atMs: new Float64Array(capacity),
    mac: new Float64Array(capacity),
    copied: new Uint8Array(capacity),
    bytes: new Uint8Array(COPY_BYTES * capacity),
    marks: new Uint32Array(capacity),
  };
}

/** What is known of WANs: nothing yet. */
export function statesOf(wans: readonly Wan[], slowStartMs = 0, now = () => 0): States {
  return new States(wans.map(wanTarget), { slowStartMs, now });
}

/** A pool of WANs with their configured weights and tiers. */
export function poolOf(
  wans: readonly Wan[],
  strategy: Strategy,
  states: States,
  onFault: (fault: Fault, given: unknown) => void = (fault, given) => {
    throw new Error(`${fault}: ${given}`);
  },
  stickiness?: Stickiness,
): Pool<Wan> {
  return new Pool({
    name: 'wans',
    members: wans.map(wanMember),
    strategy: { name: 'test', strategy },
    states,
    onFault,
    stickiness,
  });
}

/** Takes a WAN down in what it carries of the families, or brings it up and gives it new connections. */
export function turn(states: States, wan: Wan, up: boolean, families = wanTarget(wan).families): void {
  for (const family of families) {
    const id = targetId(wan.name, family);
    states.found(id, { up, since: 0, reason: 'a test', heldUntil: undefined });
    if (up) states.admit(id);
  }
}
