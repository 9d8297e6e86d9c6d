import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import type { Selection } from '#wanmark/conntrack/requests.js';
import { MarkField } from '#wanmark/core/mark.js';
import { Mover } from '#wanmark/daemon/mover.js';
import { wan } from '../flows.js';
import { FakeClock } from '../wan/fake-clock.js';

const main = wan(1);
const backup = wan(2, { tier: 2, nat6: 'none' });
const other = wan(3, { tier: 2 });

/** Lets a pause begin, since the fake clock knows of it only then. */
const begun = () => new Promise((resolve) => setImmediate(resolve));

/**
 * A mover over a conntrack that holds this many connections of each mark; each that is ended is noted with its time.
 */
function recorded(held: Record<string, number>, onUp: 'none' | 'udp' | 'all' = 'udp') {
  const clock = new FakeClock();
  const done: [number, string][] = [];
  const selections: Selection[] = [];
  const lines: Record<string, unknown>[] = [];
  let candidates = [main];
  const mover = new Mover({
    field: new MarkField(0xff00),
    onUp,
    balancer: {
      candidates: () => new Set(candidates.map(({ name }) => name)),
      forget: (mark) => done.push([clock.now(), `forget ${mark}`]),
    },
    logger: pino({ base: null }, { write: (text: string) => lines.push(JSON.parse(text)) }),
    flush: async (mark, mask, selection = {}) => {
      const key = `${mark.toString(16)}/${mask.toString(16)}`;
      const found = held[key] ?? 0;
      const ended = Math.min(found, selection.most ?? found);
      held[key] = found - ended;
      done.push([clock.now(), `end ${ended} of ${key}`]);
      selections.push(selection);
      return { found, ended };
    },
    clock,
  });
  const choose = (...wans: (typeof main)[]) => {
    candidates = wans;
  };
  return { clock, done, held, selections, lines, mover, choose };
}

describe('Mover', () => {
  it('moves all connections, 200 a second and no more, forgets remembered decisions first, and says how many it moved', async () => {
    const { mover, clock, done, held, lines } = recorded({ '200/ff00': 250, '300/ff00': 100 });
    const moved = mover.move([backup, other], 4);
    await begun();
    await clock.pass(10_000);
    await moved;
    assert.deepEqual(done, [
      [0, 'forget 2'],
      [0, 'end 100 of 200/ff00'],
      [500, 'forget 2'],
      [500, 'end 100 of 200/ff00'],
      [1000, 'forget 2'],
      [1000, 'end 50 of 200/ff00'],
      [1500, 'forget 2'],
      [1500, 'end 0 of 200/ff00'],
      [2000, 'forget 3'],
      [2000, 'end 100 of 300/ff00'],
      [2500, 'forget 3'],
      [2500, 'end 0 of 300/ff00'],
    ]);
    assert.deepEqual(held, { '200/ff00': 0, '300/ff00': 0 });
    assert.deepEqual(
      lines.map(({ msg, wan: name, family, moved, left }) => [msg, name, family, moved, left]),
      [
        ['connections moved away', 'wan2', 4, 250, 0],
        ['connections moved away', 'wan3', 4, 100, 0],
      ],
    );
    assert.equal(clock.pending, 0);
  });

  it('moves the connections that --on-up names among those that left by the WAN', async () => {
    for (const [onUp, family, expected] of [
      ['udp', 4, { unanswered: true, proto: 17, status: 0x10, statusMask: 0x30, most: 100, family: 4 }],
      ['all', 4, { status: 0x10, statusMask: 0x30, most: 100, family: 4 }],
      // This WAN does not translate IPv6.
      ['all', 6, { status: 0, statusMask: 0x30, most: 100, family: 6 }],
    ] as const) {
      const { mover, clock, selections } = recorded({ '200/ff00': 1 }, onUp);
      const moved = mover.move([backup], family);
      await begun();
      await clock.pass(1000);
      await moved;
      assert.deepEqual(selections, [expected, expected]);
    }
    const { mover, done } = recorded({ '200/ff00': 1 }, 'none');
    await mover.move([backup], 4);
    assert.deepEqual(done, []);
  });

  it('stops when the WAN is a candidate again, and when no WAN is one', async () => {
    for (const now of [[backup], []]) {
      const { mover, clock, choose, held, lines } = recorded({ '200/ff00': 1000 });
      const moved = mover.move([backup], 4);
      await begun();
      await clock.pass(600);
      choose(...now);
      await clock.pass(10_000);
      await moved;
      assert.equal(held['200/ff00'], 800);
      assert.deepEqual([lines[0]?.moved, lines[0]?.left], [200, 800]);
    }
  });

  it('stops with the daemon, and leaves no timer', async () => {
    const { mover, clock, held } = recorded({ '200/ff00': 1000 });
    const moved = mover.move([backup], 4);
    await begun();
    await clock.pass(100);
    mover.stop();
    await moved;
    assert.deepEqual([clock.pending, held['200/ff00']], [0, 900]);
  });

  it('ends no more than the first look found, plus those of a last look, if some come back to the WAN', async () => {
    const { mover, clock, held, done } = recorded({ '200/ff00': 150 });
    const moved = mover.move([backup], 4);
    await begun();
    await clock.pass(100);
    held['200/ff00'] = 150;
    await clock.pass(10_000);
    await moved;
    assert.deepEqual(
      done.filter(([, what]) => what.startsWith('end')).map(([, what]) => what),
      ['end 100 of 200/ff00', 'end 50 of 200/ff00', 'end 100 of 200/ff00'],
    );
    assert.equal(held['200/ff00'], 0);
  });

  it('logs that it cannot move them, and goes on with the next WAN', async () => {
    const clock = new FakeClock();
    const lines: Record<string, unknown>[] = [];
    const mover = new Mover({
      field: new MarkField(0xff),
      onUp: 'all',
      balancer: { candidates: () => new Set([main.name]), forget: () => undefined },
      logger: pino({ base: null }, { write: (text: string) => lines.push(JSON.parse(text)) }),
      flush: async (mark) => {
        if (mark === 2) throw new Error('no more');
        return { found: 1, ended: 1 };
      },
      clock,
    });
    const moved = mover.move([backup, other], 4);
    await begun();
    await clock.pass(1000);
    await moved;
    assert.deepEqual(
      lines.map(({ msg }) => msg),
      ['connections of WAN wan2 could not be moved: no more', 'connections moved away'],
    );
  });
});
