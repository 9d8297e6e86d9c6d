import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Wanmark } from '#wanmark/lab/wanmark.js';
import { withLab } from '../helpers/lab.js';
import { addon, conntrackTable, needs, nfqueue } from '../helpers/requires.js';
import { eventually, packets } from '../helpers/router-state.js';
import { statusOf } from '../helpers/status.js';
import { release, tally, udpStream } from '../helpers/traffic.js';

async function connections(wanmark: Wanmark): Promise<number[]> {
  return (await statusOf(wanmark)).wans.map((wan) => wan.connections ?? -1);
}

const LC = ['--strategy', 'least-connections'];

describe('least-connections', needs(nfqueue, addon, conntrackTable), () => {
  it('makes up for 60 held connections on one WAN, chosen by an earlier daemon with another strategy', async () => {
    await withLab({ wans: 3, up: [], run: ['--strategy', 'failover'] }, async ({ lab, wanmark, daemon }) => {
      assert.deepEqual(tally(await lab.connect({ count: 60, hold: true })), { wan1: 60 });
      await daemon.stop();
      const second = await wanmark.run(...LC);
      assert.deepEqual(tally(await lab.connect({ count: 60, hold: true, family: 6 })), {
        wan2: 30,
        wan3: 30,
      });
      assert.deepEqual(
        await eventually(
          () => connections(wanmark),
          (all) => all[0] === 60,
          'counts',
        ),
        [60, 30, 30],
      );
      await second.stop();
    });
  });

  it('spreads a burst of 300 evenly, TCP and UDP', async () => {
    await withLab({ wans: 3, up: [], run: LC }, async ({ lab, wanmark }) => {
      for (const [proto, each] of [
        ['tcp', 100],
        ['udp', 200],
      ] as const) {
        const flows = await lab.connect({ count: 300, concurrency: 300, hold: true, proto });
        assert.deepEqual(tally(flows), { wan1: 100, wan2: 100, wan3: 100 });
        const even = (all: number[]) => all.every((count) => count === each);
        await eventually(() => connections(wanmark), even, `${each} on each`);
      }
    });
  });

  it('holds the weights 3:1 over 80 connections', async () => {
    await withLab({ weights: [3, 1], up: [], run: LC }, async ({ lab }) => {
      assert.deepEqual(tally(await lab.connect({ count: 80, hold: true })), { wan1: 60, wan2: 20 });
    });
  });

  it('forgets connections that end, and those whose packet is dropped after the decision', async () => {
    await withLab({ wans: 2, up: [], run: LC }, async ({ lab, wanmark }) => {
      const flows = await lab.connect({ count: 40, hold: true });
      assert.deepEqual(await connections(wanmark), [20, 20]);
      await release(lab.client, flows);
      await eventually(
        () => connections(wanmark),
        (all) => all.every((count) => count === 0),
        'none after their end',
      );
      // These are decided and then dropped in FORWARD, so conntrack never confirms them.
      await lab.router.sh('iptables -A FORWARD -i lan0 -p udp -j DROP');
      await lab.client.exec(['bash', '-c', 'for i in $(seq 20); do echo x > /dev/udp/203.0.113.10/7; done']);
      await eventually(
        () => packets(lab.router, 'filter', 'FORWARD', /-j DROP/),
        (count) => count >= 20,
        'dropped packets',
      );
      await eventually(
        () => connections(wanmark),
        (all) => all.every((count) => count === 0),
        'none after the drop',
      );
    });
  });

  it('counts connections that it did not choose: those that the kernel chose, and those from before its start', async () => {
    const nth = ['--kernel-mode', 'nth'];
    await withLab({ weights: [1, 1, 0], up: nth }, async ({ lab, wanmark }) => {
      assert.deepEqual(tally(await lab.connect({ count: 20, hold: true })), { wan1: 10, wan2: 10 });
      const daemon = await wanmark.run(...LC, ...nth);
      assert.deepEqual(await connections(wanmark), [10, 10, 0]);
      await wanmark.command(['set', 'wan3', 'weight=1']);
      assert.deepEqual(tally(await lab.connect({ count: 10, hold: true })), { wan3: 10 });
      await daemon.crash();
      const second = await wanmark.run(...LC, ...nth);
      assert.deepEqual(await connections(wanmark), [10, 10, 10]);
      await second.stop();
    });
  });

  it('counts TCP in ESTABLISHED alone with --count established', async () => {
    await withLab({ wans: 2, up: [], run: [...LC, '--count', 'established'] }, async ({ lab, wanmark }) => {
      await lab.connect({ count: 10, hold: true, proto: 'udp' });
      await udpStream(lab, { count: 1 });
      const flows = await lab.connect({ count: 6, hold: true });
      const sum = (all: number[]) => all.reduce((total, count) => total + count);
      await eventually(
        () => connections(wanmark),
        (all) => sum(all) === flows.length,
        'the TCP ones',
      );
    });
  });

  it('uses the counts of --counts-file, and reads the file again when it changes', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'wanmark-test-'));
    chmodSync(dir, 0o755);
    const file = join(dir, 'marks_stats.csv');
    const write = (text: string) => {
      writeFileSync(`${file}.new`, text);
      renameSync(`${file}.new`, file);
    };
    try {
      write('200, 1\n7, 2\n300, 3\n');
      await withLab(
        { wans: 3, up: [], run: [...LC, '--counts-file', file] },
        async ({ lab, wanmark, daemon }) => {
          assert.deepEqual(tally(await lab.connect({ count: 9 })), { wan2: 9 });
          write('1, 1\n7, 2\n300, 3\n');
          await eventually(
            () => connections(wanmark),
            (all) => all[0] === 1,
            'the new file',
          );
          assert.deepEqual(tally(await lab.connect({ count: 9 })), { wan1: 9 });
          write('many, 1\n200, x\n');
          await daemon.program.waitForLine((line) => line.includes('line 1 is not'));
          assert.deepEqual(await connections(wanmark), [1, 7, 300], 'the counts stay as before');
          await daemon.stop();
        },
      );
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
