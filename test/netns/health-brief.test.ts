/** A WAN whose carrier is away for a moment, or for longer. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SERVER } from '#wanmark/lab/network.js';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { statusOf } from '../helpers/status.js';
import { tally } from '../helpers/traffic.js';
import { stateLines, waitForState, waitUntilLasting } from '../helpers/uplinks.js';

/** Far above two seconds: a slow machine would take an outage of a moment for one that lasts. */
const PATIENT = ['--up-after', '3600', '--slow-start', '3600'];
/** A check that calls a WAN down by one failed round, and has one under way whenever the carrier goes. */
const NERVOUS = ['--check', `all=ping,to=${SERVER[4]},interval=0.2,fall=1`];

describe('a WAN without carrier', needs(nfqueue, addon), () => {
  it('for a moment keeps its connections and has its whole share again at once; for longer, they are cut', async (t) => {
    const run = [...PATIENT, ...NERVOUS];
    await withLab({ wans: 3, ipv6: false, up: [], run }, async ({ lab, daemon, wanmark }) => {
      const held = await lab.connect({ count: 6, hold: true });
      assert.deepEqual(tally(held), { wan1: 2, wan2: 2, wan3: 2 });
      const gateway = lab.host('gw2');
      // Back from within the sandbox, since starting a command takes a slow machine longer than the outage may be.
      const away = gateway.sh('ip link set up0 down; sleep 0.1; ip link set up0 up');
      await waitForState(daemon, 'wan down', 'wan2');
      await away;
      await waitForState(daemon, 'wan up', 'wan2');
      const [down, up] = stateLines(daemon);
      t.diagnostic(`the log has it down for ${Date.parse(up!.since) - Date.parse(down!.since)} ms`);
      assert.deepEqual(tally(await lab.connect({ count: 9 })), { wan1: 3, wan2: 3, wan3: 3 });
      const [, status] = (await statusOf(wanmark)).wans;
      assert.deepEqual([status?.state, status?.upAt, status?.warmUp], ['up', null, null]);
      assert.deepEqual(tally(await lab.exchange(lab.client, held)), { wan1: 2, wan2: 2, wan3: 2 });

      await gateway.sh('ip link set up0 down');
      await waitUntilLasting(daemon, 'wan2');
      const since = Date.parse(stateLines(daemon).at(-1)!.since);
      const line = daemon.program.lines.find((one) => one.includes('"msg":"outage lasts"'));
      const lasted = Date.parse((JSON.parse(line!) as { time: string }).time) - since;
      assert.ok(lasted >= 1995, `cut ${lasted} ms after it went down`);
      const after = tally(await lab.exchange(lab.client, held, 20_000));
      assert.deepEqual(after, { wan1: 2, ECONNRESET: 2, wan3: 2 });
      assert.deepEqual(tally(await lab.connect({ count: 6 })), { wan1: 3, wan3: 3 });
      assert.equal(stateLines(daemon).length, 3, 'the failed rounds changed nothing');
    });
  });
});
