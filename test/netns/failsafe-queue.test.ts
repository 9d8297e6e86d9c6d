/** More than the daemon can take, or a strategy that fails: the kernel chooses by weight, and everything is counted. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Lab } from '#wanmark/lab/lab.js';
import { SERVER } from '#wanmark/lab/network.js';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { eventually } from '../helpers/router-state.js';
import { statusOf } from '../helpers/status.js';
import { tally } from '../helpers/traffic.js';

const FLOWS = 20_000;
/** Tolerance of a share. The kernel's random choice has a sigma of 0.35 % at most, and the daemon's part is exact. */
const SHARE_BOUND = 0.02;
const QUEUE_LENGTH = 64;
const PICK_MS = 20;

/** A slow strategy, random by weight, that decides fifty connections a second. */
const SLOW = `
  const never = new Int32Array(new SharedArrayBuffer(4));
  export default ({ random }) => ({
    pick(flow, wans) {
      Atomics.wait(never, 0, 0, ${PICK_MS});
      let left = random() * wans.reduce((sum, wan) => sum + wan.weight, 0);
      return wans.find((wan) => (left -= wan.weight) < 0) ?? wans[0];
    },
  });`;

/** Sends datagrams that are each a flow of their own: ten sockets, each with a new destination port every time. */
const FLOOD = `
  const { createSocket } = require('node:dgram');
  const sockets = Array.from({ length: 10 }, () => createSocket('udp4'));
  const send = (i) => new Promise((resolve, reject) =>
    sockets[i % 10].send('x', 2000 + Math.floor(i / 10), '${SERVER[4]}', (error) => error ? reject(error) : resolve()));
  (async () => {
    const start = performance.now();
    for (let i = 0; i < ${FLOWS}; i += 10) await Promise.all(sockets.map((_, j) => send(i + j)));
    console.log(performance.now() - start);
    for (const socket of sockets) socket.close();
  })();`;

/** A strategy with a different mistake for each port; wan3 has weight 0 and is never a candidate. */
const FAULTY = `
  export default () => ({
    pick(flow, wans) {
      if (flow.dport === 8) throw new Error('no idea');
      if (flow.dport === 9) return undefined;
      if (flow.dport === 10) return { ...wans[0], name: 'wan3', mark: 3 };
      return wans[0];
    },
  });`;

/** Packets that the kernel of the whole machine lost between two devices, which is not our fault. */
function lostBetweenDevices(): number {
  const lines = readFileSync('/proc/net/softnet_stat', 'utf8').trim().split('\n');
  return lines.reduce((sum, line) => sum + Number.parseInt(line.split(' ')[1]!, 16), 0);
}

/** Makes the server count datagrams by WAN and answer none. */
async function countArrivals(lab: Lab): Promise<() => Promise<Record<string, number>>> {
  const rules = lab.wans.map(({ sources }) => `-A PREROUTING -s ${sources[0]} -p udp -j DROP`);
  const input = ['*raw', ...rules, '-A PREROUTING -p udp -j DROP', 'COMMIT', ''].join('\n');
  await lab.server.exec(['iptables-restore', '--noflush'], { input });
  return async () => {
    const counters = await lab.server.counters('raw', 'PREROUTING');
    return Object.fromEntries(counters.map(({ packets }, i) => [lab.wans[i]?.name ?? 'none', packets]));
  };
}

describe('what is left to the kernel', needs(nfqueue, addon), () => {
  let dir: string;
  const file = (name: string, text: string) => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'wanmark-test-'));
    chmodSync(dir, 0o755);
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  it('a queue with five times what the daemon can take and more: nothing is dropped, shares are right', async (t) => {
    const slow = file('slow.mjs', SLOW);
    const run = ['--strategy', slow, '--queue-length', String(QUEUE_LENGTH), '--deadline', '10000'];
    await withLab({ weights: [3, 2, 1], ipv6: false, up: [], run }, async ({ lab, wanmark, daemon }) => {
      const arrived = await countArrivals(lab);
      const lostBefore = lostBetweenDevices();
      const flood = lab.client.spawn([process.execPath, '-e', FLOOD]);
      assert.equal((await flood.exited).code, 0, flood.stderr);
      const seconds = Number(flood.lines[0]) / 1000;
      const lost = () => lostBetweenDevices() - lostBefore;
      const sum = (counts: Record<string, number>) =>
        Object.values(counts).reduce((total, count) => total + count);
      const counts = await eventually(
        arrived,
        (all) => sum(all) + lost() >= FLOWS,
        'all datagrams at the server',
      );
      const { queue } = await statusOf(wanmark);
      t.diagnostic(
        `${Math.round(FLOWS / seconds)} flows a second, ${queue.verdicts} by the daemon, ${lost()} lost between devices: ${JSON.stringify(counts)}`,
      );
      assert.ok(FLOWS / seconds > (5 * 1000) / PICK_MS, 'five times what it can take');
      assert.ok(queue.verdicts < FLOWS / 5, `${queue.verdicts}`);
      assert.deepEqual([queue.dropped || 0, queue.userDropped || 0, queue.length], [0, 0, QUEUE_LENGTH]);
      for (const { name, weight } of lab.wans) {
        const share = (counts[name] ?? 0) / sum(counts);
        assert.ok(Math.abs(share - weight / 6) < SHARE_BOUND, `${name}: ${share}`);
      }
      assert.equal(counts.none, 0);
      await daemon.stop();
    });
  });

  it('a strategy’s mistakes: logged once a second at most, counted, and shown by status', async () => {
    const run = ['--strategy', file('faulty.mjs', FAULTY)];
    await withLab({ weights: [1, 1, 0], ipv6: false, up: [], run }, async ({ lab, wanmark, daemon }) => {
      const start = performance.now();
      for (const port of [8, 9, 10]) {
        await lab.server.serve(port);
        const { wan1 = 0, wan2 = 0, ...others } = tally(await lab.connect({ port, count: 60 }));
        assert.deepEqual(others, {}, `port ${port}`);
        // The tolerance is six standard deviations of a fair coin.
        assert.ok(Math.abs(wan1 - 30) < 24, `port ${port}: ${wan1} and ${wan2}`);
      }
      assert.deepEqual(tally(await lab.connect({ count: 5 })), { wan1: 5 });
      const { faults, queue } = await statusOf(wanmark);
      assert.deepEqual(faults, { threw: 60, noCandidate: 120, late: 0 });
      assert.equal(queue.kernelDecided, 180);
      assert.match(
        (await wanmark.command(['status'])).stdout,
        /strategy faulty.mjs: threw 60 times, no candidate 120 times, late 0 times/,
      );
      await daemon.stop();
      const seconds = (performance.now() - start) / 1000;
      const lines = daemon.program.lines.filter((line) => line.includes('the kernel chooses'));
      assert.ok(lines.length >= 1 && lines.length <= seconds + 1, `${lines.length} lines in ${seconds} s`);
      const held = lines.map((line) => (JSON.parse(line) as { held: number }).held);
      assert.ok(held.reduce((sum, count) => sum + count, lines.length) <= 180);
    });
  });
});
