import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StrategyFactory } from '#wanmark/core/strategy.js';
import { flow, wan } from './flows.js';

const MINUTE = 60_000;

describe('examples/strategy.ts', async () => {
  const url = new URL('../examples/strategy.js', import.meta.url);
  const { default: stay } = (await import(url.href)) as { default: StrategyFactory };

  /** The strategy, with a clock that the test moves. */
  function make() {
    const clock = { now: 0 };
    const strategy = stay({ random: () => 0, now: () => clock.now, connections: () => 0 });
    const pick = (client: number, wans: Parameters<typeof strategy.pick>[1]) =>
      strategy.pick(flow({ srcHash: client }), wans).name;
    return { clock, pick };
  }

  it('gives newcomers out by weight, and leaves each client where it is', () => {
    const { pick } = make();
    const wans = [wan(1, { weight: 2 }), wan(2)];
    const clients = [1, 2, 3, 4, 5, 6];
    const first = clients.map((client) => pick(client, wans));
    assert.deepEqual(first.toSorted(), ['wan1', 'wan1', 'wan1', 'wan1', 'wan2', 'wan2']);
    for (let i = 0; i < 3; i++)
      assert.deepEqual(
        clients.map((client) => pick(client, wans)),
        first,
      );
  });

  it('forgets a client ten minutes after its last connection', () => {
    const { clock, pick } = make();
    const wans = [wan(1), wan(2)];
    assert.equal(pick(1, wans), 'wan1');
    clock.now = 9 * MINUTE;
    assert.equal(pick(1, wans), 'wan1');
    clock.now = 18 * MINUTE;
    assert.equal(pick(1, wans), 'wan1');
    clock.now = 28 * MINUTE;
    assert.equal(pick(1, wans), 'wan2', 'a newcomer again');
  });

  it('has nobody on a WAN that is down, and everybody back afterwards', () => {
    const { pick } = make();
    const [one, two] = [wan(1), wan(2)];
    const both = [one, two];
    const rest = [two];
    assert.deepEqual([pick(1, both), pick(2, both)], ['wan1', 'wan2']);
    assert.deepEqual([pick(1, rest), pick(2, rest)], ['wan2', 'wan2']);
    assert.deepEqual([pick(1, both), pick(2, both)], ['wan1', 'wan2']);
  });
});
