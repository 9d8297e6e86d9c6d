/** `--queues`: several queues and their threads, and one strategy whose choices are exact over all of them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Status } from '#wanmark/control/status.js';
import type { Host } from '#wanmark/lab/host.js';
import { type Daemon, wanArguments } from '#wanmark/lab/wanmark.js';
import { withLab } from '../helpers/lab.js';
import { feasibleRate, SteadyLoad } from '../helpers/load.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { eventually, packets } from '../helpers/router-state.js';
import { statusOf } from '../helpers/status.js';
import { tally, udpPairs } from '../helpers/traffic.js';

const WEIGHTS = [5, 3, 1];
const TWO = ['--queues', '2'];
/** The kernel picks the queue by addresses; the odds that all of 20 clients share one are 1 to 500 000. */
const ADDRESSES = 20;

/** Packets that the kernel has queued so far. */
function queued(host: Host): Promise<number> {
  return packets(host, 'mangle', 'WANMARK_NEW', /NFQUEUE/);
}

function picks({ wans }: Status): number[] {
  return wans.map((wan) => wan.picks);
}

/** The rules of a host, without counters. */
async function rules(host: Host): Promise<string> {
  const { stdout } = await host.exec(['iptables-save']);
  return stdout.replace(/^#.*\n/gm, '').replace(/\[\d+:\d+\]/g, '');
}

/** The warnings about queues that a daemon wrote; it has ended. */
function warnings({ program }: Daemon): string[] {
  return program.lines
    .map((line) => JSON.parse(line) as { level: number; msg: string })
    .filter(({ level, msg }) => level >= 40 && /queue/.test(msg))
    .map(({ msg }) => msg);
}

describe('several queues', needs(nfqueue, addon), () => {
  it('have exact shares over all of them, in both families, and status shows each', async () => {
    const options = { weights: WEIGHTS, clientAddresses: ADDRESSES, up: TWO };
    await withLab(
      { ...options, run: [...TWO, '--strategy', 'weighted'] },
      async ({ lab, wanmark, daemon }) => {
        assert.deepEqual(tally(await lab.connect({ count: 90 })), { wan1: 50, wan2: 30, wan3: 10 });
        const four = await statusOf(wanmark);
        assert.deepEqual(
          four.queues.map(({ num }) => num),
          [0, 1],
        );
        for (const { verdicts } of four.queues) assert.ok(verdicts > 0, JSON.stringify(four.queues));
        assert.deepEqual([four.queue.num, four.queue.verdicts, four.queue.kernelDecided], [0, 90, 0]);
        assert.equal(
          four.queues.reduce((sum, { verdicts }) => sum + verdicts, 0),
          90,
        );
        assert.equal(four.queue.length, 2 * four.queues[0]!.length);
        const { stdout } = await wanmark.command(['status']);
        assert.match(stdout, /^queue 0: \d+ verdicts.*\nqueue 1: \d+ verdicts/m);

        const six = [
          ...(await lab.connect({ count: 45, family: 6 })),
          ...(await lab.connect({ count: 45, family: 6, proto: 'udp' })),
        ];
        assert.deepEqual(tally(six), { wan1: 50, wan2: 30, wan3: 10 });
        assert.deepEqual(picks(await statusOf(wanmark)), [100, 60, 20]);
        await daemon.stop();
        const stopped = daemon.program.lines.find((line) => line.includes('"msg":"stopped"'));
        const { picks: total, queue } = JSON.parse(stopped!) as { picks: number; queue: { packets: number } };
        assert.deepEqual([total, queue.packets], [180, 180]);
      },
    );
  });

  it('decide each flow once, however many of its packets wait in the queues', async () => {
    const options = { weights: WEIGHTS, ipv6: false, clientAddresses: ADDRESSES, up: TWO };
    await withLab(
      { ...options, run: [...TWO, '--strategy', 'weighted'] },
      async ({ lab, wanmark, daemon }) => {
        const router = lab.router;
        // While nobody answers, two packets of each flow are queued: two datagrams, or a SYN and its repetition.
        const frozen = async <T>(count: number, start: () => Promise<T>): Promise<T> => {
          const before = await queued(router);
          await daemon.program.kill('SIGSTOP');
          const result = start();
          result.catch(() => undefined);
          try {
            await eventually(
              () => queued(router),
              (now) => now >= before + count,
              'packets that wait',
            );
          } finally {
            await daemon.program.kill('SIGCONT');
          }
          return result;
        };
        const pairs = await frozen(2 * 27, () => udpPairs(lab, { count: 27 }));
        for (const { wans } of pairs) assert.equal(new Set(wans).size, 1, `one way for both: ${wans}`);
        assert.deepEqual(picks(await statusOf(wanmark)), [15, 9, 3]);
        const flows = await frozen(2 * 18, () => lab.connect({ count: 18 }));
        assert.deepEqual(tally(flows), { wan1: 10, wan2: 6, wan3: 2 });
        const status = await statusOf(wanmark);
        assert.deepEqual(picks(status), [25, 15, 5]);
        for (const { verdicts } of status.queues) assert.ok(verdicts > 0, JSON.stringify(status.queues));
        assert.ok(status.queue.verdicts >= 2 * 27 + 2 * 18, `${status.queue.verdicts} packets`);
      },
    );
  });

  it('can be killed with kill -9, and no connection fails', async () => {
    const options = { weights: WEIGHTS, ipv6: false, clientAddresses: ADDRESSES, up: TWO };
    await withLab(options, async ({ lab, wanmark }) => {
      const load = await SteadyLoad.start(lab, await feasibleRate(lab, 500));
      for (let i = 0; i < 3; i++) {
        const daemon = await wanmark.run(...TWO, '--strategy', 'weighted');
        await load.more(100);
        const { queues } = await statusOf(wanmark);
        for (const { verdicts } of queues) assert.ok(verdicts > 0, JSON.stringify(queues));
        await daemon.crash();
        await load.more(100);
      }
      const { started, done, failed } = await load.end();
      assert.deepEqual([done, failed], [started, {}]);
    });
  });

  it('are opened all or none: when one is taken, the others are released, and nothing has changed', async () => {
    await withLab({ wans: 2, ipv6: false, up: TWO }, async ({ lab, wanmark }) => {
      const before = await rules(lab.router);
      const other = await wanmark.run('--queue-num', '1', '--socket', '/run/other.sock');
      const refused = await wanmark.command(['run', ...wanArguments(lab.wans), ...TWO], 'any');
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /^wanmark: queue 1 belongs to another program[^\n]*\n$/);
      assert.equal(await rules(lab.router), before);
      const first = await wanmark.run('--queue-num', '0');
      await first.stop();
      await other.stop();
      const both = await wanmark.run(...TWO);
      assert.deepEqual(tally(await lab.connect({ count: 4 })), { wan1: 2, wan2: 2 });
      await both.stop();
    });
  });

  it('are compared with the rules, and a difference is one line', async () => {
    await withLab({ wans: 2, ipv6: false, clientAddresses: ADDRESSES, up: TWO }, async ({ lab, wanmark }) => {
      const same = await wanmark.run(...TWO);
      await same.stop();
      assert.deepEqual(warnings(same), []);

      const few = await wanmark.run();
      await few.program.waitForLine(/~ queues 2 -> 1\), so the kernel chooses for some .*; wanmark reload /);
      // Its one queue gets what the rules spread over two, and no connection fails.
      assert.equal(tally(await lab.connect({ count: 60 })).none, undefined);
      const { queue } = await statusOf(wanmark);
      assert.ok(queue.verdicts > 0 && queue.verdicts < 60, `${queue.verdicts} of 60`);
      await wanmark.command(['reload']);
      assert.match(await rules(lab.router), /-j NFQUEUE --queue-num 0 --queue-bypass/);
      await few.stop();
      assert.equal(warnings(few).length, 1, warnings(few).join('\n'));

      const many = await wanmark.run('--queues', '3');
      await many.program.waitForLine(/~ queues 1 -> 3\), so the kernel /);
      await wanmark.command(['reload']);
      assert.match(await rules(lab.router), /--queue-balance 0:2 --queue-bypass/);
      await many.stop();
      assert.equal(warnings(many).length, 1, warnings(many).join('\n'));
    });
  });

  it('are complete for check, and refresh puts back what is missing', async () => {
    await withLab({ wans: 2, ipv6: false, up: TWO }, async ({ lab, wanmark }) => {
      const before = await rules(lab.router);
      assert.match(before, /-j NFQUEUE --queue-balance 0:1 --queue-bypass/);
      for (const verb of ['check', 'refresh']) {
        const { code, stderr } = await wanmark.command([verb], 'any');
        assert.deepEqual([code, stderr], [0, ''], verb);
      }
      await lab.router.exec(['iptables', '-t', 'mangle', '-F', 'WANMARK_NEW']);
      const { code, stderr } = await wanmark.command(['check'], 'any');
      assert.equal(code, 1);
      assert.match(stderr, /missing: iptables mangle: rules of WANMARK_NEW/);
      assert.equal((await wanmark.command(['refresh'])).code, 0);
      assert.equal(await rules(lab.router), before);
    });
  });
});
