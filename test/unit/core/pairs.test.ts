/** A host's connections of both families by one WAN. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Pairs } from '#wanmark/core/pairs.js';
import { Pool } from '#wanmark/core/pool.js';
import { roundRobin } from '#wanmark/core/strategies/round-robin.js';
import { type Wan, wanMember } from '#wanmark/core/wan.js';
import { flow, statesOf, wan } from '../flows.js';

function made(wans: readonly Wan[]) {
  const clock = { now: 0 };
  const states = statesOf(wans);
  const pool = new Pool({
    name: 'wans',
    members: wans.map(wanMember),
    strategy: {
      name: 'round-robin',
      strategy: roundRobin({ random: Math.random, now: () => 0, connections: { of: () => 0 } as never }),
    },
    states,
    pairs: new Pairs(() => clock.now),
    onFault: (fault) => assert.fail(fault),
  });
  /** The WANs of connections of a host, by their families. */
  const by = (mac: number, ...families: (4 | 6)[]) =>
    families.map((family) => pool.select(flow({ family, mac }))?.target.name);
  const down = (id: `${string}/4` | `${string}/6`) =>
    states.found(id, { up: false, since: 0, reason: 'a test', heldUntil: undefined });
  return { clock, pool, by, down };
}

describe('the families of a host', () => {
  it('go by the same WAN, and different hosts by different ones', () => {
    const { by, pool } = made([wan(1), wan(2)]);
    assert.deepEqual(by(7, 4, 6, 6, 4), ['wan1', 'wan1', 'wan1', 'wan1']);
    assert.deepEqual(by(8, 6, 4), ['wan2', 'wan2']);
    assert.deepEqual(by(0, 4, 4, 4, 4).sort(), ['wan1', 'wan1', 'wan2', 'wan2'], 'without an address');
    assert.deepEqual(
      pool.members.map(({ picks }) => picks),
      [6, 4],
      'each is a decision',
    );
  });

  it('prefer a WAN that carries both, and get another together when it cannot', () => {
    const { by, down } = made([wan(1, { via6: undefined }), wan(2), wan(3)]);
    const [first] = by(7, 4);
    assert.notEqual(first, 'wan1');
    assert.deepEqual(by(7, 6), [first]);
    down(`${first!}/6`);
    const [second] = by(7, 6);
    assert.ok(second !== first && second !== 'wan1');
    assert.deepEqual(by(7, 4, 6), [second, second]);
  });

  it('are chosen for alone where no WAN carries both', () => {
    const { by } = made([
      wan(1, { via6: undefined }),
      wan(2, { via: undefined }),
      wan(3, { via6: undefined }),
    ]);
    assert.deepEqual(by(7, 6, 4, 4), ['wan2', 'wan1', 'wan3']);
  });

  it('begin anew after an hour without a connection', () => {
    const { clock, by } = made([wan(1), wan(2)]);
    assert.deepEqual(by(7, 4), ['wan1']);
    clock.now = 3_599_999;
    assert.deepEqual(by(7, 4), ['wan1']);
    clock.now += 3_600_000;
    assert.deepEqual(by(7, 6, 4), ['wan2', 'wan2']);
  });
});

describe('the memory of pairs', () => {
  it('is bounded, and forgets whom it has not seen for longest', () => {
    const pairs = new Pairs(() => 0, 2);
    pairs.note(1, 'a');
    pairs.note(2, 'b');
    pairs.note(1, 'a');
    pairs.note(3, 'c');
    assert.deepEqual(
      [1, 2, 3].map((mac) => pairs.of(mac)),
      ['a', undefined, 'c'],
    );
  });
});
