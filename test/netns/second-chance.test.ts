/** A connection that its WAN does not answer goes by another WAN, and what that says about the WAN is asked, not believed. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Lab, SERVER_PORT } from '#wanmark/lab/lab.js';
import type { Wanmark } from '#wanmark/lab/wanmark.js';
import { withLab } from '../helpers/lab.js';
import { exponentialSyns } from '../helpers/load.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { statusOf } from '../helpers/status.js';
import { tally } from '../helpers/traffic.js';
import { plug, stateLines, swallow, waitForState } from '../helpers/uplinks.js';

/** A service that refuses WAN 1, at an address that is fine otherwise. */
const HOSTILE_PORT = SERVER_PORT + 1;
/**
 * A client that gives up before it would send its fourth SYN, after 7 s. The one after 1 s can save it, and on a machine that
 * is very slow the one after 3 s.
 */
const IMPATIENT_MS = 6000;
/** What the kernel chose is moved as soon as the daemon knows of it, which may be after the second SYN. */
const PATIENT = ['--deadline', '5000'];

/** A connection to this port keeps the daemon busy until after the second SYN of all that come meanwhile. */
const BLOCKING_PORT = SERVER_PORT + 2;
const BLOCKED_MS = 2500;
const BLOCKING = `
  const never = new Int32Array(new SharedArrayBuffer(4));
  export default () => {
    let next = 0;
    return {
      pick(flow, wans) {
        if (flow.dport !== ${BLOCKING_PORT}) return wans[next++ % wans.length];
        process.stderr.write('blocked\\n');
        Atomics.wait(never, 0, 0, ${BLOCKED_MS});
        return wans[0];
      },
    };
  };`;

/** Makes the hostile service, which drops what comes by WAN 1 without a word. */
async function ban(lab: Lab): Promise<void> {
  const [wan] = lab.wans;
  await lab.server.serve(HOSTILE_PORT);
  const drop = (source: string) => `-A INPUT -s ${source} -p tcp --dport ${HOSTILE_PORT} -j DROP`;
  const input = ['*filter', ...wan!.sources.filter((one) => !one.includes(':')).map(drop), 'COMMIT', ''];
  await lab.server.exec(['iptables-restore'], { input: input.join('\n') });
}

/** Connects to the hostile service; tells how many failed, and by which WANs the others came. */
async function poll(lab: Lab, count: number) {
  const flows = await lab.connect({ port: HOSTILE_PORT, count, concurrency: 9, timeoutMs: IMPATIENT_MS });
  const answered = flows.filter(({ error }) => error === undefined);
  return { failed: flows.length - answered.length, wans: tally(answered) };
}

/** How often each WAN was chosen. */
async function picksOf(wanmark: Wanmark): Promise<number[]> {
  return (await statusOf(wanmark)).wans.map(({ picks }) => picks);
}

describe('a server that drops what comes by one WAN', needs(nfqueue, addon), () => {
  it('costs no connection, and the WAN nothing: it answers when it is asked', async (t) => {
    await withLab(
      { wans: 3, ipv6: false, up: [], run: PATIENT, prepare: ban },
      async ({ lab, wanmark, daemon }) => {
        await exponentialSyns(lab);
        // Others use the WAN, too, as everywhere.
        assert.deepEqual(tally(await lab.connect({ count: 9 })), { wan1: 3, wan2: 3, wan3: 3 });
        const held = await lab.connect({ count: 6, hold: true });
        for (let i = 0; i < 3; i++) {
          const { failed, wans } = await poll(lab, 9);
          assert.equal(failed, 0);
          assert.deepEqual(wans, { wan2: wans.wan2!, wan3: 9 - wans.wan2! });
          assert.deepEqual(
            (await lab.connect({ count: 3 })).map(({ error }) => error),
            [undefined, undefined, undefined],
          );
        }
        const [first] = await picksOf(wanmark);
        assert.ok(first! >= 3 + 2 + 9, `WAN 1 was chosen ${first} times, and had its first SYNs`);
        assert.deepEqual(
          (await lab.exchange(lab.client, held)).map(({ wan, error }) => wan ?? error),
          held.map(({ wan }) => wan),
        );
        assert.deepEqual(stateLines(daemon), []);
        t.diagnostic(`picks ${await picksOf(wanmark)}`);
      },
    );
  });

  it('costs connections with --second-chance off', async () => {
    const run = [...PATIENT, '--second-chance', 'off', '--passive', 'off'];
    await withLab({ wans: 3, ipv6: false, up: [], run, prepare: ban }, async ({ lab, daemon }) => {
      await exponentialSyns(lab);
      const { failed, wans } = await poll(lab, 9);
      assert.deepEqual([failed, wans], [3, { wan2: 3, wan3: 3 }]);
      assert.deepEqual(stateLines(daemon), []);
    });
  });
});

describe('a WAN that dies', needs(nfqueue, addon), () => {
  it('fails no client although its backup is of another tier, and nothing that was answered is cut', async () => {
    const tell = (wan: Lab['wans'][number]) => ({ ...wan, tier: wan.number });
    await withLab({ wans: 2, ipv6: true, up: [], run: PATIENT, tell }, async ({ lab, daemon }) => {
      await exponentialSyns(lab);
      const held = await lab.connect({ count: 4, hold: true });
      assert.deepEqual(tally(held), { wan1: 4 });
      await lab.connect({ family: 6, count: 4 });
      await swallow(lab, 'gw1', true);
      for (const family of [4, 6] as const) {
        const flows = await lab.connect({ family, count: 24, concurrency: 24, timeoutMs: IMPATIENT_MS });
        assert.deepEqual(tally(flows), { wan2: 24 }, `IPv${family}`);
        await waitForState(daemon, 'wan suspected', 'wan1', family);
      }
      assert.deepEqual(tally(await lab.connect({ count: 9 })), { wan2: 9 }, 'new ones do not wait');
      await swallow(lab, 'gw1', false);
      await waitForState(daemon, 'wan not suspected any more', 'wan1');
      // They were silent meanwhile, and go on.
      assert.deepEqual(tally(await lab.exchange(lab.client, held)), { wan1: 4 });
      await waitForState(daemon, 'wan not suspected any more', 'wan1', 6);
      assert.deepEqual(tally(await lab.connect({ count: 3 })), { wan1: 3 });
    });
  });

  it('fails none of the clients that the kernel gave it because the daemon was late', async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'wanmark-test-'));
    t.after(() => rmSync(dir, { recursive: true, force: true }));
    chmodSync(dir, 0o755);
    const strategy = join(dir, 'blocking.mjs');
    writeFileSync(strategy, BLOCKING, { mode: 0o644 });
    // Without asking, nobody but the second chance takes a connection from the WAN.
    const run = ['--strategy', strategy, '--deadline', '500', '--passive', 'off'];
    const up = ['--kernel-mode', 'nth'];
    await withLab({ wans: 2, ipv6: false, up, run }, async ({ lab, wanmark, daemon }) => {
      await exponentialSyns(lab);
      await swallow(lab, 'gw1', true);
      const blocking = lab.connect({ port: BLOCKING_PORT, timeoutMs: BLOCKED_MS });
      await daemon.program.until(
        () => daemon.program.stderr.includes('blocked') || undefined,
        'it to be busy',
      );
      const flows = await lab.connect({ count: 10, concurrency: 10, timeoutMs: IMPATIENT_MS });
      assert.deepEqual(tally(flows), { wan2: 10 });
      const [queue] = (await statusOf(wanmark)).queues;
      assert.ok(queue!.late >= 10, 'the kernel chose');
      await blocking;
    });
  });

  it('fails no client with --passive off either, although it goes on being used', async () => {
    const run = [...PATIENT, '--passive', 'off'];
    await withLab({ wans: 2, ipv6: false, up: [], run }, async ({ lab, daemon }) => {
      await exponentialSyns(lab);
      await swallow(lab, 'gw1', true);
      for (let i = 0; i < 3; i++) {
        const flows = await lab.connect({ count: 10, concurrency: 10, timeoutMs: IMPATIENT_MS });
        assert.deepEqual(tally(flows), { wan2: 10 });
      }
      assert.deepEqual(stateLines(daemon), []);
      // The only WAN that is left keeps what it does not answer: there is nowhere else to go.
      await plug(lab, 'gw2', false);
      await waitForState(daemon, 'wan down', 'wan2');
      const [lost] = await lab.connect({ timeoutMs: IMPATIENT_MS });
      assert.match(lost!.error!, /./);
    });
  });
});
