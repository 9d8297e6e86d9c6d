import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { StrategyFaults } from '#wanmark/daemon/strategy-faults.js';
import { flow, poolOf, statesOf, turn, wan } from '../flows.js';

/** Faults whose log lines are kept in memory. */
function faultsAt(clock: { now: number }) {
  const lines: Record<string, unknown>[] = [];
  const logger = pino(
    { base: null, timestamp: false },
    { write: (text: string) => lines.push(JSON.parse(text)) },
  );
  return { faults: new StrategyFaults(logger, 'mine', () => clock.now), lines };
}

describe('StrategyFaults', () => {
  it('counts all and logs one a second, with how many it held back', () => {
    const clock = { now: 0 };
    const { faults, lines } = faultsAt(clock);
    for (let i = 0; i < 5; i++) faults.report('threw', new Error('no idea'));
    clock.now = 1000;
    faults.report('returned no candidate', undefined);
    assert.deepEqual(faults.counts, { threw: 5, noCandidate: 1, late: 0 });
    assert.deepEqual(
      lines.map(({ strategy, detail, held, msg }) => [strategy, detail, held, msg]),
      [
        ['mine', 'no idea', 0, 'strategy threw; the kernel chooses'],
        ['mine', 'undefined', 4, 'strategy returned no candidate; the kernel chooses'],
      ],
    );
  });

  it('logs each time that it was late, whatever other faults it had', () => {
    const clock = { now: 0 };
    const { faults, lines } = faultsAt(clock);
    faults.report('threw', 'text');
    faults.late(9950, 1800);
    assert.deepEqual(faults.counts, { threw: 1, noCandidate: 0, late: 1 });
    faults.late(60, 5);
    clock.now = 1000;
    faults.late(70, 6);
    assert.deepEqual([lines[2]!.lateMs, lines[2]!.connections, lines[2]!.held], [70, 11, 1]);
    const { lateMs, connections, msg } = lines[1]!;
    assert.deepEqual(
      [lateMs, connections, msg],
      [9950, 1800, 'strategy was late; the kernel chose meanwhile'],
    );
  });

  it('names a WAN that was returned although it is down', () => {
    const { faults, lines } = faultsAt({ now: 0 });
    const wans = [wan(1), wan(2, { name: 'dsl' })];
    const states = statesOf(wans);
    const pool = poolOf(wans, { pick: () => wans[1]! }, states, faults.report);
    assert.equal(pool.select(flow({}))?.target.name, 'dsl');
    turn(states, wans[1]!, false);
    assert.equal(pool.select(flow({})), undefined);
    assert.deepEqual([faults.counts.noCandidate, lines[0]!.detail], [1, 'dsl']);
  });
});
