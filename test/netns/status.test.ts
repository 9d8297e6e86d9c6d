import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { KernelStatus, Status } from '#wanmark/control/status.js';
import { childrenOf } from '#wanmark/lab/program.js';
import type { Wanmark } from '#wanmark/lab/wanmark.js';
import { withLab } from '../helpers/lab.js';
import { MAIN } from '../helpers/main.js';
import { addon, needs, nfqueue, program } from '../helpers/requires.js';
import { eventually } from '../helpers/router-state.js';
import { tally } from '../helpers/traffic.js';

const SOCKET = '/run/wanmark/wanmark.sock';

/** A program that prints the daemon's answer to a path. */
const GET = `require('http').get({ socketPath: '${SOCKET}', path: process.argv[1] }, (answer) => answer.pipe(process.stdout))`;

/** The names of a process's threads. */
function threadsOf(pid: number): string[] {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).map((tid) => readFileSync(`${tasks}/${tid}/comm`, 'utf8').trim());
}

async function status(wanmark: Wanmark): Promise<Status> {
  return JSON.parse((await wanmark.command(['status', '--json'])).stdout) as Status;
}

describe('wanmark status', needs(nfqueue, addon), () => {
  it('shows states, live connections, decisions and shares: as a table, JSON and CSV', async () => {
    await withLab(
      { weights: [3, 1, 0], up: [], run: ['--strategy', 'weighted'] },
      async ({ lab, wanmark, daemon }) => {
        await lab.connect({ count: 40, hold: true });
        const now = await status(wanmark);
        const { pid, uptimeSeconds, strategy, queue, wans } = now;
        assert.ok(pid > 0 && uptimeSeconds > 0);
        assert.equal(strategy, 'weighted');
        assert.deepEqual([queue.num, queue.verdicts, queue.kernelDecided], [0, 40, 0]);
        const lines = wans.map(({ since, reason, families, upAt, warmUp, checks, traffic, ...line }) => {
          assert.equal(traffic?.counter, 'device');
          assert.ok(traffic.outBytes > 0 || line.weight === 0, 'connections left by it');
          assert.ok(Math.abs(Date.parse(since) - Date.now()) < 60_000, since);
          assert.deepEqual(
            [reason, families.map(({ family, state }) => `${family} ${state}`)],
            [line.weight === 0 ? 'weight 0' : 'not checked', ['4 up', '6 up']],
          );
          assert.deepEqual([upAt, warmUp, checks], [null, null, []]);
          return line;
        });
        assert.deepEqual(lines, [
          {
            name: 'wan1',
            mark: 1,
            dev: 'wan1',
            weight: 3,
            tier: 1,
            state: 'up',
            connections: 30,
            picks: 30,
            share: 0.75,
            target: 0.75,
          },
          {
            name: 'wan2',
            mark: 2,
            dev: 'wan2',
            weight: 1,
            tier: 1,
            state: 'up',
            connections: 10,
            picks: 10,
            share: 0.25,
            target: 0.25,
          },
          {
            name: 'wan3',
            mark: 3,
            dev: 'wan3',
            weight: 0,
            tier: 1,
            state: 'drain',
            connections: 0,
            picks: 0,
            share: 0,
            target: 0,
          },
        ]);
        assert.equal((await wanmark.command(['status', '--csv'])).stdout, '30, 1\n10, 2\n0, 3\n');
        const table = (await wanmark.command(['status'])).stdout;
        assert.match(table, /^wan1 +up +3 +1 +30 +30 +75.0 % +75.0 %$/m);
        assert.match(table, /^wan3 +drain/m);
        assert.match(table, /^wan1: up for .*, carrier only$/m);
        assert.match(table, /^wan1 +wan1 .* [\d.]+ k?B +[\d.]+ k?B$/m);
        assert.match(table, /queue 0: 40 verdicts, 0 left to the kernel/);
        await daemon.stop();
      },
    );
  });

  it('counts connections only while somebody looks, including those from before', async () => {
    const QUIET = '/status?connections=no';
    await withLab({ wans: 2, ipv6: false, up: [], run: [] }, async ({ lab, daemon }) => {
      const counting = () => threadsOf(childrenOf(daemon.program.pid)[0]!).includes('conntrack');
      const ask = async (path: string) => {
        const { stdout } = await lab.router.exec([process.execPath, '-e', GET, path]);
        return (JSON.parse(stdout) as Status).wans.map(({ connections, picks }) => [connections, picks]);
      };
      await lab.connect({ count: 6, hold: true });
      await eventually(
        async () => counting(),
        (isCounting) => !isCounting,
        'the look at the marks of others has ended',
      );
      assert.deepEqual(
        await ask(QUIET),
        [3, 3].map((picks) => [null, picks]),
      );
      assert.equal(counting(), false);
      assert.deepEqual(
        await ask('/status'),
        [3, 3].map((picks) => [3, picks]),
      );
      assert.equal(counting(), true);
      await lab.connect({ count: 2, hold: true });
      assert.deepEqual(
        await ask(QUIET),
        [4, 4].map((picks) => [4, picks]),
        'the counts',
      );
      await daemon.stop();
    });
    await withLab(
      { wans: 2, ipv6: false, up: [], run: ['--strategy', 'least-connections'] },
      async ({ daemon }) => {
        assert.ok(threadsOf(childrenOf(daemon.program.pid)[0]!).includes('conntrack'));
        await daemon.stop();
      },
    );
  });

  it('is shown again and again with --watch, is the first daemon’s alone, and the kernel’s without one', async () => {
    await withLab({ wans: 2, ipv6: false, up: [], run: [] }, async ({ lab, wanmark, daemon }) => {
      const watch = lab.router.spawn([process.execPath, MAIN, 'status', '--watch', '--json']);
      const seen = () => watch.lines.map((line) => (JSON.parse(line) as Status).wans[0]!.picks);
      await watch.until(() => seen().length > 0 || undefined, 'a first status');
      await lab.connect({ count: 6 });
      await watch.until(() => seen().at(-1) === 3 || undefined, 'the decisions in a later one');
      await watch.kill('SIGINT');
      assert.equal((await watch.exited).code, 0);

      const { stdout } = await lab.router.sh(`stat -c %a ${SOCKET}`);
      assert.equal(stdout.trim(), '660');
      const other = await wanmark.run('--queue-num', '9');
      assert.ok(
        other.program.lines.some((line) =>
          line.includes('another daemon answers on /run/wanmark/wanmark.sock'),
        ),
        'the second daemon warns, and runs without it',
      );
      await other.stop();
      assert.equal((await status(wanmark)).queue.num, 0, 'the first still answers');

      const held = await lab.connect({ count: 4, hold: true });
      assert.equal(held.length, 4);
      const user = [
        'setpriv',
        '--reuid',
        '64901',
        '--regid',
        '64901',
        '--clear-groups',
        process.execPath,
        MAIN,
      ];
      const refused = await lab.router.exec([...user, 'status'], { okCodes: 'any' });
      assert.deepEqual(
        [refused.code, refused.stderr],
        [1, `wanmark: permission denied: ${SOCKET}; use sudo\n`],
      );
      const counters = await lab.router.exec([...user, 'status', 'rules'], { okCodes: 'any' });
      assert.deepEqual(
        [counters.code, counters.stderr],
        [1, 'wanmark: needs CAP_NET_ADMIN; run it as root (sudo)\n'],
      );
      await daemon.stop();
      const left = (await wanmark.command(['status'])).stdout;
      assert.match(left, /^no daemon answers: the rules choose, by weight/);
      assert.match(left, /^wan1 +up +1 +1 +2 +50.0 %$/m);
      assert.match(left, /^wan1 +wan1 +- +- +[\d.]+ k?B +[\d.]+ k?B$/m);
      const json = JSON.parse((await wanmark.command(['status', '--json'])).stdout) as KernelStatus;
      assert.deepEqual([json.pid, json.engine, json.wans.length], [null, 'nfqueue', 2]);
      const listed = (await wanmark.command(['status', 'connections', '--wan', 'wan1'])).stdout;
      assert.match(listed, /^tcp [\d.]+:\d+ -> [\d.]+:7 ESTABLISHED\n {4}wan1, policy default/);
      assert.match(listed, /^2 connections$/m);
      assert.equal(
        (await wanmark.command(['status', '--socket', SOCKET], 'any')).code,
        1,
        'that daemon is meant',
      );
      await wanmark.down();
      const result = await wanmark.command(['status'], 'any');
      assert.match(
        result.stderr,
        /^wanmark: no daemon answers on \/run\/wanmark\/wanmark.sock [^\n]*wanmark run[^\n]*\n$/,
      );
      assert.deepEqual([result.code, result.stdout], [1, '']);
      const second = await wanmark.run('--socket', '/run/other.sock');
      await second.crash();
      const third = await wanmark.run('--socket', '/run/other.sock');
      assert.equal(
        (await wanmark.command(['status', '--socket', '/run/other.sock'])).code,
        0,
        'a stale socket is replaced',
      );
      await third.stop();
    });
  });

  it('does not let a slow or rude client delay a decision', needs(program('python3')), async () => {
    // Fifty clients at once: some send nothing, some half a request, some rubbish, and some ask and never read.
    const RUDE = `
import socket, sys
kinds = [b"", b"GET /status HT", b"\\x00\\xff" * 3000, b"GET /status HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" * 500]
held = []
for i in range(50):
    s = socket.socket(socket.AF_UNIX); s.setblocking(False)
    try:
        s.connect("${SOCKET}"); s.send(kinds[i % 4])
    except OSError: pass
    held.append(s)
print("rude", flush=True)
sys.stdin.read()`;
    await withLab(
      { wans: 2, ipv6: false, up: [], run: ['--deadline', '1000'] },
      async ({ lab, wanmark, daemon }) => {
        const rude = lab.router.spawn(['python3', '-c', RUDE]);
        await rude.waitForLine((line) => line === 'rude');
        assert.deepEqual(tally(await lab.connect({ count: 200 })), { wan1: 100, wan2: 100 });
        rude.end();
        await rude.exited;
        const now = await status(wanmark);
        assert.deepEqual(
          [now.queue.kernelDecided, now.queue.verdicts],
          [0, 200],
          'every packet was decided in time',
        );
        await daemon.stop();
      },
    );
  });
});
