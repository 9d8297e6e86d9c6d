import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Isolation } from '#wanmark/daemon/isolation.js';

/** An isolation with its own clock, and the lines that it says. */
function made() {
  const lines: Record<string, unknown>[] = [];
  const clock = { now: 0 };
  const isolation = new Isolation({ error: (line: object) => lines.push({ ...line }) }, () => clock.now);
  const fails = () => {
    throw new Error('no');
  };
  return { isolation, lines, clock, fails };
}

describe('an isolation', () => {
  it('says each place once a minute, with how often it failed meanwhile', () => {
    const { isolation, lines, clock, fails } = made();
    for (clock.now of [0, 1, 59_999, 60_000]) assert.equal(isolation.run(fails, 7), 7);
    assert.deepEqual(
      lines.map(({ error, timesSinceLast }) => [error, timesSinceLast]),
      [
        ['no', undefined],
        ['no', 2],
      ],
    );
  });

  it('names the function of ours that failed, whether it is in a module or in a bundle', () => {
    const { isolation, lines } = made();
    const frames = {
      'Hooks.changed (daemon/hooks:63)': 'at Hooks.changed (file:///x/dist-src/daemon/hooks.js:63:5)',
      'Hooks.stop (chunk-OPJQ3WVJ:17)':
        'at async Hooks.stop (file:///usr/lib/wanmark/dist/chunk-OPJQ3WVJ.js:17:2)',
      'Bell (daemon/bell:5)': 'at new Bell (/x/src/daemon/bell.ts:5:1)',
      'cli/main:9': 'at file:///x/dist/cli/main.js:9:1',
      unknown: 'at node:internal/timers:1:1',
    };
    for (const frame of Object.values(frames)) {
      const stack = `Error: no\n    at other (node:fs:1:2)\n    ${frame}\n    at later (/x/src/later.ts:1:1)`;
      isolation.report(Object.assign(new Error('no'), { stack: frame.includes('timers') ? frame : stack }));
    }
    assert.deepEqual(
      lines.map(({ place }) => place),
      Object.keys(frames),
    );
  });

  it('gives back what the work returns, or something else where it throws', () => {
    const { isolation, fails } = made();
    assert.equal(isolation.around((a: number, b: number) => a + b, 0)(1, 2), 3);
    assert.equal(isolation.around(fails, 0)(), 0);
  });

  it('does not fail with a log that fails', () => {
    const isolation = new Isolation({ error: () => assert.fail() }, () => 0);
    isolation.report('whatever');
  });

  it('waits for no part for ever, and goes on after one that fails at once or later', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { isolation, lines, fails } = made();
    await isolation.settle(fails, 1000);
    await isolation.settle(async () => fails(), 1000);
    assert.equal(lines.length, 1, 'one place');
    const hangs = isolation.settle(() => new Promise(() => {}), 1000);
    t.mock.timers.tick(1000);
    await hangs;
  });
});
