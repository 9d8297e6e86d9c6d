/** Steady traffic from the LAN does not suffer while the daemon starts, stops, is killed or cannot start. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Lab } from '#wanmark/lab/lab.js';
import { type Daemon, wanArguments } from '#wanmark/lab/wanmark.js';
import { withLab } from '../helpers/lab.js';
import { assertUnharmed, byWan, feasibleRate, SteadyLoad } from '../helpers/load.js';
import { WAN_FIELD } from '../helpers/marks.js';
import { addon, conntrackTable, needs, nfqueue } from '../helpers/requires.js';
import { conntrack, eventually, packets } from '../helpers/router-state.js';
import { statusOf } from '../helpers/status.js';
import { tally } from '../helpers/traffic.js';

/** New connections a second, on a machine that is fast enough. */
const RATE = 2000;
const RESTARTS = 10;
const WEIGHTS = { wan1: 3, wan2: 2, wan3: 1 };
/** Tolerance in standard deviations of a random choice; the kernel's choices are random, the daemon's exact. */
const SIGMAS = 6;

/** Asserts that every share is what its weight says. */
function assertShares(counts: Readonly<Record<string, number>>, total: number): void {
  for (const [name, weight] of Object.entries(WEIGHTS)) {
    const share = weight / 6;
    const bound = SIGMAS * Math.sqrt(total * share * (1 - share));
    const off = Math.abs((counts[name] ?? 0) - total * share);
    assert.ok(
      off <= bound,
      `${name}: ${off.toFixed(0)} off, at most ${bound.toFixed(0)}: ${JSON.stringify(counts)}`,
    );
  }
}

/** Packets with a WAN's mark that the kernel has counted, in both directions. */
function counted(lab: Lab, wan: string): Promise<number> {
  return packets(lab.router, 'mangle', 'WANMARK_COUNT', new RegExp(`"wanmark ${wan}"`));
}

describe('under load', needs(nfqueue, addon, conntrackTable), () => {
  it('no connection fails while the daemon is away, starts, stops, restarts, crashes or cannot start', async (t) => {
    const weights = Object.values(WEIGHTS);
    await withLab({ weights, ipv6: false, clientAddresses: 8, up: [] }, async ({ lab, wanmark }) => {
      const rate = await feasibleRate(lab, RATE);
      const phase = Math.ceil(rate / 2);
      const flags = ['--strategy', 'weighted', '--deadline', '50'];
      const load = await SteadyLoad.start(lab, rate);
      const during = async (what: string, act: () => Promise<unknown>) => {
        const before = await load.soFar();
        await act();
        const { done, failed, broken, slow } = await load.more(phase);
        t.diagnostic(`${what}: ${done - before.done} connections, ${slow - before.slow} slow`);
        assert.deepEqual([failed, broken], [{}, {}], what);
      };
      let daemon: Daemon | undefined;
      const start = async () => {
        daemon = await wanmark.run(...flags);
      };

      await during('not running', async () => {});
      const alone = byWan(lab, await load.soFar());
      assertShares(
        alone,
        Object.values(alone).reduce((sum, count) => sum + count),
      );
      for (const wan of Object.keys(WEIGHTS)) assert.ok((await counted(lab, wan)) > 0, `${wan} is counted`);

      await during('starting', start);
      await during('stopping', async () => daemon!.stop());
      await during(`restarting ${RESTARTS} times`, async () => {
        for (let i = 0; i < RESTARTS; i++) {
          await start();
          await daemon!.stop();
        }
      });
      await during('starting again', start);
      await during('kill -9', async () => daemon!.crash());
      await during('a start with a broken configuration', async () => {
        const { code, stderr } = await wanmark.command(
          ['run', ...wanArguments(lab.wans), '--strategy', 'no-such-strategy'],
          'any',
        );
        assert.equal(code, 2);
        assert.match(stderr, /^wanmark: [^\n]*no-such-strategy[^\n]*\n$/);
      });
      await during('starting at last', start);
      const second = await wanmark.command(['run', ...wanArguments(lab.wans)], 'any');
      assert.equal(second.code, 1);
      assert.match(second.stderr, /^wanmark: queue 0 belongs to another program[^\n]*\n$/);
      await during('a second daemon on the same queue', async () => {});
      const { wans } = await statusOf(wanmark);
      assert.ok(wans[0]!.picks > 0, 'the first daemon answers status, and decides');
      await daemon!.stop();

      const report = await load.end();
      const { started, done, slow, longestMs, seconds } = report;
      t.diagnostic(
        `${done} connections at ${Math.round(started / seconds)} a second, ${slow} slow, the longest ${longestMs} ms`,
      );
      assertUnharmed(report);
      assertShares(byWan(lab, report), done);
      // A connection that nobody had marked would have mark 0.
      const unmarked = (await conntrack(lab.router)).filter(
        ({ mark, dport, proto }) => proto === 'tcp' && dport === 7 && WAN_FIELD.decode(mark) === 0,
      );
      assert.deepEqual(unmarked.slice(0, 3), []);
    });
  });

  it('least-connections has the right counts after restarts in mid-traffic', async () => {
    await withLab({ wans: 3, ipv6: false, clientAddresses: 4, up: [] }, async ({ lab, wanmark }) => {
      const flags = ['--strategy', 'least-connections'];
      const first = await wanmark.run('--strategy', 'failover');
      assert.deepEqual(tally(await lab.connect({ count: 60, hold: true })), { wan1: 60 });
      await first.stop();
      const load = await SteadyLoad.start(lab, await feasibleRate(lab, 300));
      for (const end of ['stop', 'crash'] as const) {
        const daemon = await wanmark.run(...flags);
        await load.more(100);
        await daemon[end]();
        await load.more(100);
      }
      const daemon = await wanmark.run(...flags);
      await load.more(100);
      assertUnharmed(await load.end());
      const counts = async () => {
        return (await statusOf(wanmark)).wans.map((wan) => wan.connections);
      };
      // The load's connections are closed by now, so the kernel's table has only the held ones.
      await eventually(counts, (all) => all.join() === '60,0,0', 'the counts, equal to conntrack');
      const established = (await conntrack(lab.router)).filter(({ text }) => text.includes('ESTABLISHED'));
      assert.deepEqual(new Set(established.map(({ mark }) => mark)), new Set([WAN_FIELD.encode(1)]));
      assert.equal(established.length, 60);
      assert.deepEqual(tally(await lab.connect({ count: 60, hold: true })), { wan2: 30, wan3: 30 });
      await daemon.stop();
    });
  });

  it('a broken configuration file at a restart leaves the internet working', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'wanmark-test-'));
    chmodSync(dir, 0o755);
    const file = join(dir, 'wanmark.yaml');
    try {
      await withLab({ wans: 2, ipv6: false }, async ({ lab, wanmark }) => {
        const wans = lab.wans.map(
          ({ name, dev, via }) => `  - { name: ${name}, dev: ${dev}, via: ${via} }\n`,
        );
        writeFileSync(file, `wan:\n${wans.join('')}`);
        await wanmark.command(['up', '--config', file]);
        writeFileSync(file, `wan:\n${wans.join('')}  - { name: third, dve: wan3 }\n`);
        const { code, stderr } = await wanmark.command(['run', '--config', file], 'any');
        assert.equal(code, 2);
        assert.match(stderr, /^wanmark: [^\n]*dve[^\n]*\n$/);
        const { wan1 = 0, wan2 = 0, ...others } = tally(await lab.connect({ count: 200 }));
        assert.deepEqual(others, {});
        // The tolerance is six standard deviations of a fair coin.
        assert.ok(Math.abs(wan1 - wan2) < 2 * 6 * Math.sqrt(50), `${wan1} and ${wan2}`);
      });
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
