/** A WAN that goes and comes every second. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { withLab } from '../helpers/lab.js';
import { assertConnects, feasibleRate, inFlightDuring, SteadyLoad } from '../helpers/load.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { stateLines } from '../helpers/uplinks.js';

/** How often the carrier goes and comes back. */
const FLAPS = 25;
const FLAP_MS = 500;
/**
 * Most changes: three times down and up at once, down for forty seconds, and two more on a slow machine. There an outage
 * may last long enough to count before the fourth.
 */
const MOST_CHANGES = 9;

describe('a WAN whose carrier comes and goes every second', needs(nfqueue, addon), () => {
  it('is switched a few times only, and no connect fails', async (t) => {
    await withLab({ wans: 3, ipv6: false, up: [], run: [] }, async ({ lab, daemon }) => {
      const load = await SteadyLoad.start(lab, await feasibleRate(lab, 50));
      await load.more(50);
      let inFlight = 0;
      for (let i = 0; i < FLAPS; i++) {
        inFlight += await inFlightDuring(load, () => lab.host('gw2').sh('ip link set up0 down'));
        await delay(FLAP_MS);
        await lab.host('gw2').sh('ip link set up0 up');
        await delay(FLAP_MS);
      }
      const report = await load.end();
      const changes = stateLines(daemon);
      const { done, slowConnects, slowestConnectMs, broken } = report;
      t.diagnostic(
        `${changes.length} changes for ${2 * FLAPS}; of ${done} connects ${slowConnects} above 500 ms, ` +
          `the slowest ${slowestConnectMs} ms, broken ${JSON.stringify(broken)}`,
      );
      assert.ok(changes.length >= 1 && changes.length <= MOST_CHANGES, JSON.stringify(changes));
      assert.ok(changes.every(({ wan }) => wan === 'wan2'));
      assertConnects(report, inFlight);
    });
  });
});
