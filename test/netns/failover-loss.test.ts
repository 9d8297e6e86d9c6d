/** A WAN that loses 30 % of all packets, each way: bad, but not dead. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SERVER } from '#wanmark/lab/network.js';
import type { Daemon } from '#wanmark/lab/wanmark.js';
import { withLab } from '../helpers/lab.js';
import { assertConnects, byWan, feasibleRate, inFlightDuring, SteadyLoad, total } from '../helpers/load.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { stateLines, swallow, waitForState } from '../helpers/uplinks.js';

/** A check of loss, whose share needs at least ten probes. */
const LOSS = ['--check', `all=ping,to=${SERVER[4]},interval=0.25,timeout=0.2,fall=10,loss=20:10`];
const LOSSY = '-m statistic --mode random --probability 0.3';
/** For how long the line is bad while it is used. */
const BAD_S = 12;

/** For how many milliseconds WANs were suspected. */
function suspectedMs(daemon: Daemon): number {
  const times = stateLines(daemon).map(
    ({ msg, time }) => (msg === 'wan suspected' ? -1 : 1) * Date.parse(time),
  );
  assert.equal(times.length % 2, 0, 'it is not suspected in the end');
  return times.reduce((sum, time) => sum + time, 0);
}

describe('a WAN that loses 30 % of all packets each way', needs(nfqueue, addon), () => {
  it('is never down for that, and is avoided for moments only', async (t) => {
    await withLab({ wans: 3, ipv6: false, clientAddresses: 4, up: [], run: [] }, async ({ lab, daemon }) => {
      const load = await SteadyLoad.start(lab, await feasibleRate(lab, 100));
      await load.more(100);
      await swallow(lab, 'gw2', true, LOSSY);
      const { seconds } = await load.soFar();
      let now = await load.more(10);
      while (now.seconds < seconds + BAD_S) now = await load.more(10);
      await swallow(lab, 'gw2', false);
      const { failed, broken, slowConnects, slowestConnectMs, done, sources } = await load.end();
      t.diagnostic(
        `${slowConnects} of ${done} connects above 500 ms, the slowest ${slowestConnectMs} ms; ${JSON.stringify(sources)}`,
      );
      assert.deepEqual([failed, broken], [{}, {}]);
      assert.ok(slowConnects > 20, `${slowConnects} slow: the line was not bad`);
      assert.ok(stateLines(daemon).every(({ msg, wan }) => msg.includes('suspected') && wan === 'wan2'));
      const avoidedMs = suspectedMs(daemon);
      t.diagnostic(`avoided for ${avoidedMs} ms`);
      assert.ok(avoidedMs < 100 * BAD_S, `avoided for ${avoidedMs} ms of ${BAD_S} s`);
    });
  });

  it('is down by a check with loss=20:10', async (t) => {
    await withLab(
      { wans: 3, ipv6: false, clientAddresses: 4, up: [], run: LOSS },
      async ({ lab, daemon }) => {
        const load = await SteadyLoad.start(lab, await feasibleRate(lab, 100));
        await load.more(100);
        let killed = 0;
        await swallow(lab, 'gw2', true, LOSSY);
        // Nearly all connections of the WAN are cut when it goes down.
        killed += await inFlightDuring(load, () => waitForState(daemon, 'wan down', 'wan2'));
        const [line] = stateLines(daemon);
        assert.match(line!.reason, /^ping 203\.0\.113\.10 loss \d+ % \(limit 20 %\) over \d+ probes$/);
        const before = await load.more(100);
        const after = await load.more(200);
        assert.equal(byWan(lab, after).wan2, byWan(lab, before).wan2, 'nothing goes by it any more');
        const report = await load.end();
        t.diagnostic(
          `${report.slowConnects} of ${report.done} connects above 500 ms, the slowest ${report.slowestConnectMs} ms; ` +
            `${total(report.broken)} broken when they were cut`,
        );
        assertConnects(report, killed);
        assert.ok(stateLines(daemon).every(({ wan }) => wan === 'wan2'));
      },
    );
  });
});
