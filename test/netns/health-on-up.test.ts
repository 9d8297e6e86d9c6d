import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Lab } from '#wanmark/lab/lab.js';
import { SERVER } from '#wanmark/lab/network.js';
import type { Daemon } from '#wanmark/lab/wanmark.js';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { eventually } from '../helpers/router-state.js';
import { tally } from '../helpers/traffic.js';
import { plug, swallow, waitForLastResort, waitForState } from '../helpers/uplinks.js';

const INBOUND_PORT = 9;

interface Moved {
  readonly time: string;
  readonly wan: string;
  readonly moved: number;
  readonly left: number;
}

/** The log's lines about connections that were moved. */
function movedLines(daemon: Daemon): Moved[] {
  return daemon.program.lines
    .filter((line) => line.includes('"msg":"connections moved away"'))
    .map((line) => JSON.parse(line) as Moved);
}

/** Gives the backup connections while the first WAN is away: held TCP and UDP, inbound ones, and unanswered SYNs. */
async function onBackup(lab: Lab, daemon: Daemon) {
  await plug(lab, 'gw1', false);
  await waitForState(daemon, 'wan down', 'wan1');
  const tcp = await lab.connect({ count: 4, hold: true });
  const udp = await lab.connect({ count: 4, hold: true, proto: 'udp' });
  assert.deepEqual([tally(tcp), tally(udp)], [{ wan2: 4 }, { wan2: 4 }]);
  await lab.router.serve(INBOUND_PORT);
  const inbound = {
    from: lab.server,
    to: lab.wans[1]!.inbound[0]!,
    port: INBOUND_PORT,
    count: 2,
    hold: true,
  };
  const came = [...(await lab.connect(inbound)), ...(await lab.connect({ ...inbound, proto: 'udp' }))];
  assert.ok(came.every(({ error }) => error === undefined));
  const decided = () => daemon.decisions.filter(({ wan }) => wan === 'wan2').length;
  const before = decided();
  await swallow(lab, 'gw2', true, '-p tcp --syn');
  const waiting = lab.connect({ count: 3, timeoutMs: 90_000 });
  await eventually(
    async () => decided() - before,
    (count) => count >= 3,
    'three SYNs wait on the backup',
  );
  return { tcp, udp, came, waiting };
}

describe('--on-up', needs(nfqueue, addon), () => {
  const network = { wans: 2, tiers: [1, 2], ipv6: false, up: [] };

  it('by default moves UDP and unanswered connections from the backup; TCP and inbound ones stay', async () => {
    await withLab({ ...network, run: [] }, async ({ lab, daemon }) => {
      const { tcp, udp, came, waiting } = await onBackup(lab, daemon);
      await plug(lab, 'gw1', true);
      await waitForState(daemon, 'wan up', 'wan1');
      assert.deepEqual(tally(await lab.connect({ count: 6 })), { wan1: 6 });
      assert.deepEqual(tally(await waiting), { wan1: 3 });
      await daemon.program.waitForLine(() => movedLines(daemon).length > 0);
      assert.deepEqual(tally(await lab.exchange(lab.client, udp)), { wan1: 4 });
      assert.deepEqual(tally(await lab.exchange(lab.client, tcp)), { wan2: 4 });
      const still = await lab.exchange(lab.server, came);
      assert.ok(still.every(({ error }) => error === undefined));
      assert.deepEqual(
        movedLines(daemon).map(({ wan, moved, left }) => [wan, moved, left]),
        [['wan2', 7, 0]],
      );
    });
  });

  it('all moves TCP as well, which the client has to make again; inbound connections stay', async () => {
    await withLab({ ...network, run: ['--on-up', 'all'] }, async ({ lab, daemon }) => {
      const { tcp, udp, came, waiting } = await onBackup(lab, daemon);
      await plug(lab, 'gw1', true);
      await daemon.program.waitForLine(() => movedLines(daemon).length > 0);
      assert.deepEqual(
        movedLines(daemon).map(({ wan, moved, left }) => [wan, moved, left]),
        [['wan2', 11, 0]],
      );
      assert.deepEqual(tally(await waiting), { wan1: 3 });
      // By another WAN the server does not know these connections.
      assert.deepEqual(tally(await lab.exchange(lab.client, tcp, 20_000)), { ECONNRESET: 4 });
      assert.deepEqual(tally(await lab.exchange(lab.client, udp)), { wan1: 4 });
      assert.deepEqual(tally(await lab.connect({ count: 4 })), { wan1: 4 });
      const still = await lab.exchange(lab.server, came);
      assert.ok(still.every(({ error }) => error === undefined));
    });
  });

  it('none moves nothing; new connections come back all the same', async () => {
    // A second chance would move those that are waiting for an answer.
    const run = ['--on-up', 'none', '--second-chance', 'off'];
    await withLab({ ...network, run }, async ({ lab, daemon }) => {
      const { tcp, udp, waiting } = await onBackup(lab, daemon);
      await plug(lab, 'gw1', true);
      await waitForState(daemon, 'wan up', 'wan1');
      assert.deepEqual(tally(await lab.connect({ count: 6 })), { wan1: 6 });
      for (const flows of [tcp, udp])
        assert.deepEqual(tally(await lab.exchange(lab.client, flows)), { wan2: 4 });
      await swallow(lab, 'gw2', false);
      assert.deepEqual(tally(await waiting), { wan2: 3 });
      assert.deepEqual(movedLines(daemon), []);
    });
  });

  it('moves many at 200 in a second, and the daemon decides meanwhile', async () => {
    await withLab({ ...network, run: [] }, async ({ lab, daemon }) => {
      await plug(lab, 'gw1', false);
      await waitForState(daemon, 'wan down', 'wan1');
      const udp = await lab.connect({ count: 450, hold: true, proto: 'udp' });
      assert.deepEqual(tally(udp), { wan2: 450 });
      await plug(lab, 'gw1', true);
      const up = await waitForState(daemon, 'wan up', 'wan1');
      assert.deepEqual(tally(await lab.connect({ count: 6 })), { wan1: 6 });
      await daemon.program.waitForLine(() => movedLines(daemon).length > 0);
      const [line] = movedLines(daemon);
      assert.deepEqual([line?.wan, line?.moved, line?.left], ['wan2', 450, 0]);
      const took = Date.parse(line!.time) - Date.parse(up.time);
      // Five steps of at most a hundred, each with half a second behind it. A timer may be a millisecond early.
      assert.ok(took >= 2450, `${took} ms`);
      assert.deepEqual(tally(await lab.exchange(lab.client, udp)), { wan1: 450 });
    });
  });

  it('moves connections of the last resort, and none from a WAN of the same tier', async () => {
    const run = ['--check', `all=ping,to=${SERVER[4]},interval=0.5`];
    await withLab({ wans: 2, ipv6: false, up: [], run }, async ({ lab, daemon }) => {
      for (const gateway of ['gw1', 'gw2']) await swallow(lab, gateway, true, '-p icmp');
      for (const wan of ['wan1', 'wan2']) await waitForState(daemon, 'wan down', wan);
      await waitForLastResort(lab);
      const udp = await lab.connect({ count: 4, hold: true, proto: 'udp' });
      assert.deepEqual(tally(udp), { wan1: 4 }, 'where the main table leads');
      await swallow(lab, 'gw2', false);
      await waitForState(daemon, 'wan up', 'wan2');
      await daemon.program.waitForLine(() => movedLines(daemon).length > 0);
      assert.deepEqual(tally(await lab.exchange(lab.client, udp)), { wan2: 4 });
      await swallow(lab, 'gw1', false);
      await waitForState(daemon, 'wan up', 'wan1');
      assert.deepEqual(tally(await lab.connect({ count: 4 })), { wan1: 2, wan2: 2 });
      assert.deepEqual(tally(await lab.exchange(lab.client, udp)), { wan2: 4 });
      assert.equal(movedLines(daemon).length, 1);
    });
  });
});
