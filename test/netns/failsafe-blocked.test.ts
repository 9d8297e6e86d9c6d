/** A daemon that does not answer because its strategy blocks JS or it is stopped, and what systemd is told. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Host } from '#wanmark/lab/host.js';
import type { Lab } from '#wanmark/lab/lab.js';
import type { Program } from '#wanmark/lab/program.js';
import { wanArguments } from '#wanmark/lab/wanmark.js';
import { withLab } from '../helpers/lab.js';
import { assertUnharmed, byWan, feasibleRate, SteadyLoad } from '../helpers/load.js';
import { MAIN } from '../helpers/main.js';
import { addon, needs, nfqueue, program } from '../helpers/requires.js';
import { statusOf } from '../helpers/status.js';
import { dial } from '../helpers/traffic.js';

const BLOCKED_MS = 6_000;
const DEADLINE_MS = 50;
/** A connection to this port blocks JS like an endless loop. */
const BLOCKING_PORT = 8;
const BLOCKING = `
  const never = new Int32Array(new SharedArrayBuffer(4));
  export default () => {
    let next = 0;
    return {
      pick(flow, wans) {
        if (flow.dport === ${BLOCKING_PORT}) Atomics.wait(never, 0, 0, ${BLOCKED_MS});
        return wans[next++ % wans.length];
      },
    };
  };`;

/** Stands in for systemd: prints the messages, and "silence" when none comes for MS after READY. */
const RECEIVER = `
  use Socket; $| = 1;
  my ($path, $ms) = @ARGV;
  socket(my $s, PF_UNIX, SOCK_DGRAM, 0) or die $!;
  (my $name = $path) =~ s/^@/\\0/;
  bind($s, pack_sockaddr_un($name)) or die $!;
  print "bound\\n";
  my $timeout;
  while (1) {
    my $set = ''; vec($set, fileno($s), 1) = 1;
    if (select($set, undef, undef, $timeout)) {
      recv($s, my $text, 4096, 0); $text =~ s/\\n/ /g; print "$text\\n";
      $timeout = $ms / 1000 if $text =~ /READY=1/;
      $timeout = undef if $text =~ /STOPPING=1/;
    } else { print "silence\\n"; undef $timeout }
  }`;

const logged = (lines: readonly string[], message: string) => lines.filter((line) => line.includes(message));

/** How many SYNs a host has sent again, which it does after a second without an answer (RFC 6298). */
async function synsAgain(host: Host): Promise<number> {
  const { stdout } = await host.sh('cat /proc/net/netstat');
  const [names = [], values = []] = stdout
    .split('\n')
    .filter((line) => line.startsWith('TcpExt:'))
    .map((line) => line.split(' '));
  const count = Number(values[names.indexOf('TCPSynRetrans')]);
  assert.ok(Number.isInteger(count), stdout);
  return count;
}

/** Stops a program during `act`, and continues it even after a failure, since a stopped program cannot end. */
async function whileStopped<T>(program: Program, act: () => Promise<T>): Promise<T> {
  await program.kill('SIGSTOP');
  try {
    return await act();
  } finally {
    await program.kill('SIGCONT');
  }
}

describe('a daemon that does not answer', needs(nfqueue, addon), () => {
  let dir: string;
  let blocking: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'wanmark-test-'));
    chmodSync(dir, 0o755);
    blocking = join(dir, 'blocking.mjs');
    writeFileSync(blocking, BLOCKING);
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  const block = (lab: Lab) => dial(lab, { port: BLOCKING_PORT });

  it(`blocked in JS for ${BLOCKED_MS / 1000} s: no packet waits beyond the deadline, and it is logged`, async (t) => {
    const run = ['--strategy', blocking, '--deadline', String(DEADLINE_MS)];
    await withLab(
      { wans: 2, ipv6: false, clientAddresses: 4, up: [], run },
      async ({ lab, wanmark, daemon }) => {
        await lab.server.serve(BLOCKING_PORT);
        const load = await SteadyLoad.start(lab, await feasibleRate(lab, 300));
        await load.more(100);
        const { longestMs: usualMs } = await load.soFar();
        await block(lab);
        const notice = 'strategy blocking.mjs has not answered for a second; the kernel chooses';
        await daemon.program.until(() => daemon.program.stderr.includes(notice) || undefined, 'the notice');
        const back = /"lateMs":\d{4,},/;
        assert.ok(!daemon.program.lines.some((line) => back.test(line)), 'said while JS is blocked');
        const line = await daemon.program.waitForLine(back);
        const report = await load.end();
        t.diagnostic(
          `the longest took ${report.longestMs} ms, ${usualMs} ms before; ${report.done} connections`,
        );
        // The promise is the deadline plus 50 ms; a stalled machine adds its own time, and the printed line shows both.
        // If packets waited for JS, nearly all would be slow, since JS is blocked nearly all of the time.
        assertUnharmed(report);
        assert.ok(
          report.slow < report.done / 3,
          `${report.slow} of ${report.done} took more than half a second`,
        );
        const counts = byWan(lab, report);
        assert.equal((counts.wan1 ?? 0) + (counts.wan2 ?? 0), report.done, JSON.stringify(counts));
        const { lateMs, connections } = JSON.parse(line) as { lateMs: number; connections: number };
        t.diagnostic(`the log says ${lateMs} ms, ${connections} connections`);
        assert.ok(lateMs > BLOCKED_MS - 2 * DEADLINE_MS - 1000, `${lateMs} ms`);
        assert.ok(
          connections > 0.5 * (BLOCKED_MS / 1000 - 1) * (report.done / report.seconds),
          `${connections} of ${report.done}`,
        );
        const { faults, queue } = await statusOf(wanmark);
        assert.ok(faults.late >= 1 && queue.kernelDecided >= connections, JSON.stringify({ faults, queue }));
        await daemon.stop();
        assert.equal(daemon.program.stderr.split(notice).length - 1, 1, 'once');
      },
    );
  });

  it('stopped by SIGSTOP for as long: as many packets wait as the queue holds, no connection fails', async (t) => {
    const length = 64;
    const run = ['--queue-length', String(length), '--deadline', String(DEADLINE_MS)];
    await withLab({ wans: 2, ipv6: false, clientAddresses: 4, up: [], run }, async ({ lab, daemon }) => {
      const load = await SteadyLoad.start(lab, await feasibleRate(lab, 300));
      await load.more(50);
      const before = await load.soFar();
      const againBefore = await synsAgain(lab.client);
      const stopped = await whileStopped(daemon.program, async () => {
        const end = performance.now() + BLOCKED_MS;
        while (performance.now() < end) await load.more(10);
        return load.soFar();
      });
      await load.more(100);
      const report = await load.end();
      const waited = (await synsAgain(lab.client)) - againBefore;
      const { done, slow, longestMs } = report;
      t.diagnostic(
        `${stopped.done - before.done} connections meanwhile; ${waited} waited, ${slow} slow of ${done}, ` +
          `the longest ${longestMs} ms`,
      );
      assertUnharmed(report);
      // Counted by repeated SYNs and not by time: a stalled machine makes others slow, but seldom delays a SYN by 1 s.
      assert.ok(waited >= length && waited < 2 * length, `${waited} waited; the queue holds ${length}`);
      const { wan1 = 0, wan2 = 0, ...others } = byWan(lab, report);
      assert.deepEqual(others, {});
      assert.ok(Math.abs(wan1 - wan2) < 6 * Math.sqrt(done), `${wan1} and ${wan2} of ${done}`);
      await daemon.stop();
    });
  });

  for (const path of ['/run/notify', '@wanmark-test']) {
    it(
      `reports its state to systemd at ${path}, and is silent when blocked or stopped`,
      needs(program('perl')),
      async () => {
        await withLab({ wans: 2, ipv6: false, up: [] }, async ({ lab }) => {
          await lab.server.serve(BLOCKING_PORT);
          // For a machine that stalls: the daemon has four chances to report before it counts as silent.
          const receiver = lab.router.spawn(['perl', '-e', RECEIVER, path, '4000']);
          await receiver.waitForLine(/^bound$/);
          const daemon = lab.router.spawn([
            'env',
            `NOTIFY_SOCKET=${path}`,
            'WATCHDOG_USEC=2000000',
            process.execPath,
            MAIN,
            'run',
            ...wanArguments(lab.wans),
            '--strategy',
            blocking,
          ]);
          const heard = (text: string) => receiver.lines.filter((line) => line.includes(text));
          await receiver.waitForLine(/^READY=1 STATUS=blocking.mjs over 2 WANs, 0 verdicts/);
          await receiver.until(() => heard('WATCHDOG=1')[1], 'two signs of life');
          await lab.connect({ count: 4 });
          await receiver.waitForLine(/WATCHDOG=1 STATUS=.* 4 verdicts, 0 left to the kernel/);
          assert.deepEqual(heard('silence'), []);
          const silence = () => receiver.waitForLine(/^silence$/);
          if (path.startsWith('/')) await block(lab).then(silence);
          else await whileStopped(daemon, silence);
          const signs = heard('WATCHDOG=1').length;
          await receiver.until(() => heard('WATCHDOG=1')[signs], 'a sign of life afterwards');
          await daemon.kill('SIGTERM');
          assert.deepEqual(await daemon.exited, { code: 0, signal: null });
          await receiver.waitForLine(/^STOPPING=1/);
          assert.deepEqual(logged(daemon.lines, 'systemd cannot be told'), []);
        });
      },
    );
  }
});
