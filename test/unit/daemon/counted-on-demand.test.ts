import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import type { ConnectionSource } from '#wanmark/daemon/connections.js';
import { CountedOnDemand } from '#wanmark/daemon/counted-on-demand.js';
import { SystemError } from '#wanmark/errors.js';

const IDLE_MS = 1000;

/** A source whose first numbers come when `dumped` is called. */
const PLANNED = new Uint32Array(1);

function fake() {
  const opened = { times: 0, open: 0, decided: [] as number[], lookedAround: 0, dumped: () => {} };
  const open = (): ConnectionSource => {
    opened.times++;
    opened.open++;
    const ready = new Promise<void>((resolve) => {
      opened.dumped = resolve;
    });
    return {
      fresh: () => ready,
      count: (mark) => mark * 10,
      decided: (mark) => void opened.decided.push(mark),
      countPlanned: (plans) => plans.countIn(PLANNED, 8),
      lookAround: () => void opened.lookedAround++,
      close: async () => {
        opened.open--;
        opened.dumped();
      },
    };
  };
  return { opened, open };
}

describe('counting on demand', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
  afterEach(() => mock.timers.reset());

  it('opens nothing before somebody asks, and gives no numbers before they are true', async () => {
    const { opened, open } = fake();
    const counted = new CountedOnDemand(open, assert.fail, IDLE_MS);
    counted.decided(1);
    counted.lookAround();
    assert.deepEqual([opened.times, counted.count(1)], [0, undefined]);
    const fresh = counted.fresh();
    counted.decided(2);
    counted.lookAround();
    assert.deepEqual([opened.times, counted.count(1), opened.decided], [1, undefined, [2]]);
    assert.equal(opened.lookedAround, 1);
    opened.dumped();
    await fresh;
    assert.equal(counted.count(1), 10);
  });

  it('ends when nobody has asked for a while, and begins again', async () => {
    const { opened, open } = fake();
    const counted = new CountedOnDemand(open, assert.fail, IDLE_MS);
    const ask = () => {
      const fresh = counted.fresh();
      opened.dumped();
      return fresh;
    };
    await ask();
    mock.timers.tick(IDLE_MS - 1);
    await ask();
    mock.timers.tick(IDLE_MS - 1);
    assert.deepEqual([opened.times, opened.open, counted.count(3)], [1, 1, 30], 'asked again in time');
    mock.timers.tick(1);
    assert.deepEqual([opened.open, counted.count(3)], [0, undefined], 'nobody looks any more');
    await ask();
    assert.deepEqual([opened.times, opened.open, counted.count(3)], [2, 1, 30]);
    await counted.close();
    assert.equal(opened.open, 0);
  });

  it('does not end while the first numbers are on their way and somebody asks', async () => {
    const { opened, open } = fake();
    const counted = new CountedOnDemand(open, assert.fail, IDLE_MS);
    const first = counted.fresh();
    mock.timers.tick(IDLE_MS - 1);
    const second = counted.fresh();
    mock.timers.tick(IDLE_MS - 1);
    opened.dumped();
    await Promise.all([first, second]);
    mock.timers.tick(IDLE_MS - 1);
    assert.deepEqual([opened.times, counted.count(1)], [1, 10]);
  });

  it('goes on for a strategy that asked late', async () => {
    const { opened, open } = fake();
    const counted = new CountedOnDemand(open, assert.fail, IDLE_MS);
    counted.keep();
    counted.keep();
    mock.timers.tick(10 * IDLE_MS);
    assert.deepEqual([opened.times, opened.open], [1, 1]);
    await counted.close();
    assert.equal(opened.open, 0);
  });

  it('reports once that counting is refused, and tries again', async () => {
    const { open } = fake();
    let able = false;
    const said: string[] = [];
    const counted = new CountedOnDemand(
      () => {
        if (!able) throw new SystemError('CONNTRACK_NO_KERNEL_SUPPORT', 'no module');
        return { ...open(), fresh: async () => undefined };
      },
      (error) => said.push(error.message),
      IDLE_MS,
    );
    await counted.fresh();
    await counted.fresh();
    assert.deepEqual([said, counted.count(1)], [['no module'], undefined]);
    able = true;
    await counted.fresh();
    assert.equal(counted.count(1), 10);
    await counted.close();
  });
});
