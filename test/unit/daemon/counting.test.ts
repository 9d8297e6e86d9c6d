import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { Counts } from '#wanmark/core/counts.js';
import type { Need } from '#wanmark/core/strategy.js';
import { countConnections } from '#wanmark/daemon/counting.js';
import { wan } from '../flows.js';

const logger = pino({ enabled: false });

/** Counts for strategies with these needs, and how often counting was begun. */
function made(...needs: (readonly Need[])[]) {
  const opened = { times: 0 };
  const strategies = needs.map((own) => ({
    strategy: { name: 'test', strategy: { pick: assert.fail }, needs: own },
    counts: new Counts(),
  }));
  const open = () => {
    opened.times++;
    return {
      fresh: async () => undefined,
      count: (mark: number) => 10 * mark,
      decided: () => undefined,
      countPlanned: () => undefined,
      lookAround: () => undefined,
      close: async () => undefined,
    };
  };
  return {
    opened,
    counts: strategies.map(({ counts }) => counts),
    source: countConnections(open, strategies, logger),
  };
}

describe('counting connections', () => {
  it('begins at once where one strategy needs it, and then serves all', () => {
    const { opened, counts } = made(['connections'], []);
    assert.equal(opened.times, 1);
    assert.deepEqual(
      counts.map(({ connections }) => connections(wan(2))),
      [20, 20],
    );
  });

  it('begins with the first question of a strategy that did not declare its need', async () => {
    const { opened, counts, source } = made([]);
    assert.equal(opened.times, 0);
    assert.equal(counts[0]!.connections(wan(2)), 0);
    assert.equal(opened.times, 1);
    await source.fresh();
    assert.equal(counts[0]!.connections(wan(2)), 20);
    await source.close();
  });
});
