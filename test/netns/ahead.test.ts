/** Choices that are made beforehand: what a JS that stands still, or a change, makes of them. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { withLab } from '../helpers/lab.js';
import { feasibleRate, SteadyLoad } from '../helpers/load.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { statusOf } from '../helpers/status.js';

/** How long JS stands still, as for a garbage collection, a hook or a big reload. */
const BLOCKED_MS = 1000;
/** Wanted connections a second; a slow machine has fewer. */
const RATE = 5000;

/** Round-robin, said beforehand; JS stands still for a while when its file is there. */
const strategyText = (signal: string) => `
  import { existsSync, unlinkSync } from 'node:fs';
  const never = new Int32Array(new SharedArrayBuffer(4));
  setInterval(() => {
    if (!existsSync('${signal}')) return;
    unlinkSync('${signal}');
    console.error('stands still');
    Atomics.wait(never, 0, 0, ${BLOCKED_MS});
    console.error('goes on');
  }, 5).unref();
  export default () => {
    const turn = [0];
    return {
      pick: (_flow, wans) => wans[turn[0]++ % wans.length],
      sequence: { turns: () => turn },
    };
  };`;

interface MarkLine {
  readonly time: string;
  readonly wan: string;
  readonly proto: string;
  readonly sport: number;
}

/** The decisions in the log. */
function decisions(lines: readonly string[]): MarkLine[] {
  return lines.filter((line) => line.includes('"msg":"mark"')).map((line) => JSON.parse(line) as MarkLine);
}

describe('choices made beforehand', needs(nfqueue, addon), () => {
  let dir: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'wanmark-test-'));
    chmodSync(dir, 0o755);
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  it(`are used while JS stands still for ${BLOCKED_MS} ms: the strategy decides all, and no line is lost`, async (t) => {
    const signal = join(dir, 'signal');
    const strategy = join(dir, 'ahead.mjs');
    writeFileSync(strategy, strategyText(signal));
    const run = ['--strategy', strategy, '--deadline', '50'];
    await withLab(
      { wans: 3, ipv6: false, clientAddresses: 4, up: [], run },
      async ({ lab, wanmark, daemon }) => {
        const rate = await feasibleRate(lab, RATE);
        const load = await SteadyLoad.start(lab, rate);
        const { done: usual } = await load.more(500);
        const { program } = daemon;
        const says = (text: string) => program.until(() => program.stderr.includes(text) || undefined, text);
        writeFileSync(signal, '');
        await says('stands still');
        const from = new Date().toISOString();
        const { done: before } = await load.soFar();
        await says('goes on');
        const to = new Date().toISOString();
        const { done: meanwhile } = await load.soFar();
        await load.more(100);
        const report = await load.end();
        t.diagnostic(
          `${meanwhile - before} connections meanwhile, after ${usual}; ${report.slow} slow of ${report.done}, ` +
            `the longest ${report.longestMs} ms`,
        );
        assert.deepEqual(report.failed, {});
        // An emulated machine has some eighty in that time.
        assert.ok(meanwhile - before > 20, `${meanwhile - before} connections went on`);
        const { queue, faults } = await statusOf(wanmark);
        assert.deepEqual([queue.kernelDecided, faults.late], [0, 0]);
        await daemon.stop();
        const lines = decisions(program.lines);
        const stopped = program.lines.find((line) => line.includes('"msg":"stopped"'))!;
        const counters = (JSON.parse(stopped) as { queue: { decisions: number; planned: number } }).queue;
        assert.equal(lines.length, counters.decisions, 'a line for each decision');
        assert.ok(counters.planned > 0.9 * counters.decisions, JSON.stringify(counters));
        const times = lines.map(({ time }) => time);
        assert.deepEqual(times, times.toSorted(), 'in the order of their times');
        const during = times.filter((time) => time > from && time < to).length;
        assert.ok(
          during > (meanwhile - before) / 2,
          `${during} of ${meanwhile - before} lines have their own time`,
        );
        const order = lines.map(({ wan }) => wan);
        for (let i = 3; i < order.length; i++) assert.equal(order[i], order[i - 3], `line ${i}`);
      },
    );
  });

  it('are never used after a change was said', async () => {
    await withLab(
      { wans: 3, ipv6: false, clientAddresses: 4, up: [], run: [] },
      async ({ lab, wanmark, daemon }) => {
        const load = await SteadyLoad.start(lab, await feasibleRate(lab, RATE));
        await load.more(200);
        await wanmark.command(['set', 'wan1', 'state=down']);
        const down = new Date().toISOString();
        await load.more(300);
        const asked = new Date().toISOString();
        await wanmark.command(['set', 'wan1', 'state=auto']);
        await wanmark.command(['set', 'wan2', 'weight=0']);
        const drained = new Date().toISOString();
        await load.more(300);
        const report = await load.end();
        assert.deepEqual(report.failed, {});
        await daemon.stop();
        const lines = decisions(daemon.program.lines);
        const wans = (after: string, until: string) =>
          [...new Set(lines.filter(({ time }) => time > after && time < until).map(({ wan }) => wan))].sort();
        assert.deepEqual(wans('', down), ['wan1', 'wan2', 'wan3']);
        assert.deepEqual(wans(down, asked), ['wan2', 'wan3']);
        assert.deepEqual(wans(drained, '9'), ['wan1', 'wan3']);
      },
    );
  });
});
