/** What clients notice of a WAN that swallows everything while its link stays up. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { WanStatus } from '#wanmark/control/status.js';
import type { Lab } from '#wanmark/lab/lab.js';
import { SERVER } from '#wanmark/lab/network.js';
import type { Daemon, Wanmark } from '#wanmark/lab/wanmark.js';
import { withLab } from '../helpers/lab.js';
import {
  assertConnects,
  byWan,
  exponentialSyns,
  feasibleRate,
  inFlightDuring,
  SteadyLoad,
} from '../helpers/load.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { statusOf } from '../helpers/status.js';
import { tally } from '../helpers/traffic.js';
import {
  mute,
  stateLines,
  swallow,
  waitForAllBack,
  waitForKernel,
  waitForState,
} from '../helpers/uplinks.js';

/** A failed round lasts as long as its timeout, so a WAN goes down after some five seconds, and up after 1.5. */
const PING = ['--check', `all=ping,to=${SERVER[4]},interval=0.5,fall=3,rise=3`];
/** When TCP sends the first SYN again, which goes by another WAN. */
const SECOND_SYN_MS = 1000;
/** On a machine that is not overloaded, the answer to the second SYN comes within this time. */
const SLACK_MS = 300;

/** A steady load meets the death of WAN 2; what happens then is up to `meanwhile`. */
async function dies(
  t: TestContext,
  run: readonly string[],
  set: (lab: Lab, dead: boolean) => Promise<void>,
  meanwhile: (it: { lab: Lab; wanmark: Wanmark; daemon: Daemon; load: SteadyLoad }) => Promise<void>,
): Promise<void> {
  await withLab(
    { wans: 3, ipv6: false, clientAddresses: 4, up: [], run },
    async ({ lab, wanmark, daemon }) => {
      await exponentialSyns(lab);
      const load = await SteadyLoad.start(lab, await feasibleRate(lab, 100));
      const { slowestConnectMs: usualMs } = await load.more(100);
      const died = Date.now();
      const inFlight = await inFlightDuring(load, () => set(lab, true));
      const suspected = await waitForState(daemon, 'wan suspected', 'wan2');
      await meanwhile({ lab, wanmark, daemon, load });
      await load.more(100);
      // The WAN is still dead, so connections that it was given get their answers by others.
      const report = await load.end();
      const { done, slowConnects, slowestConnectMs, longestPauseMs, broken } = report;
      t.diagnostic(
        `avoided after ${Date.parse(suspected.time) - died} ms; of ${done} connects ${slowConnects} above 500 ms, ` +
          `the slowest ${slowestConnectMs} ms (${usualMs} ms before, a pause of ${longestPauseMs} ms), ` +
          `broken ${JSON.stringify(broken)}`,
      );
      assertConnects(report, inFlight);
      // A machine that stalls sends later.
      const boundMs = SECOND_SYN_MS + SLACK_MS + 2 * Math.max(usualMs, longestPauseMs);
      assert.ok(slowestConnectMs <= boundMs, `${slowestConnectMs} ms, at most ${boundMs}`);
      assert.ok(stateLines(daemon).every(({ wan }) => wan === 'wan2'));
    },
  );
}

describe('a black hole among three WANs', needs(nfqueue, addon), () => {
  it('without any check: no connect fails or takes long, it is avoided, and comes back by an answer', async (t) => {
    await dies(
      t,
      [],
      (lab, dead) => mute(lab, 'gw2', dead),
      async ({ lab, wanmark, daemon, load }) => {
        const [, { state, reason }] = (await statusOf(wanmark)).wans as [WanStatus, WanStatus];
        assert.equal(state, 'suspected');
        assert.match(
          reason,
          /^\d+ connections? unanswered .*; asked 203\.0\.113\.10:\d+: 0 of \d+ answered, /,
        );
        await waitForKernel(lab, 2);
        const before = byWan(lab, await load.more(50));
        assert.equal(byWan(lab, await load.more(100)).wan2, before.wan2, 'no client is given the WAN');
        await mute(lab, 'gw2', false);
        await waitForState(daemon, 'wan not suspected any more', 'wan2');
        // One server says so, which may have refused the WAN's address: that is no reason to call it dead.
        assert.deepEqual(
          stateLines(daemon).map(({ msg }) => msg),
          ['wan suspected', 'wan not suspected any more'],
        );
        await waitForKernel(lab, 3);
        assert.ok(byWan(lab, await load.more(100)).wan2! > before.wan2!);
        await mute(lab, 'gw2', true);
        await waitForState(daemon, 'wan suspected', 'wan2');
      },
    );
  });

  it('behind a gateway that answers, with a check: the check is asked at once, and the WAN is down', async (t) => {
    await dies(
      t,
      PING,
      (lab, dead) => swallow(lab, 'gw2', dead),
      async ({ lab, daemon }) => {
        const answers = await lab.router.exec(['ping', '-c', '1', '-W', '1', lab.wans[1]!.via], {
          okCodes: 'any',
        });
        assert.equal(answers.code, 0, 'the gateway answers for itself');
        const { reason } = await waitForState(daemon, 'wan down', 'wan2');
        assert.match(reason, /asked ping 203\.0\.113\.10, 203\.0\.113\.10:\d+: 0 of |^ping .* rounds failed/);
      },
    );
  });

  it('is avoided by the kernel after the daemon was killed, and used by the next daemon when it is back', async (t) => {
    await withLab({ wans: 3, ipv6: false, up: [], run: PING }, async ({ lab, wanmark, daemon }) => {
      const load = await SteadyLoad.start(lab, await feasibleRate(lab, 100));
      await load.more(50);
      const inFlight = await inFlightDuring(load, () => mute(lab, 'gw2', true));
      await waitForState(daemon, 'wan down', 'wan2');
      await waitForKernel(lab, 2);
      await daemon.crash();
      const before = byWan(lab, await load.more(50));
      const report = await load.more(100);
      const after = byWan(lab, report);
      t.diagnostic(`by the kernel alone: ${JSON.stringify({ before, after })}`);
      assert.equal(after.wan2, before.wan2);
      assert.ok(after.wan1! > before.wan1! && after.wan3! > before.wan3!, 'both others are chosen');
      assertConnects(await load.end(), inFlight);
      await mute(lab, 'gw2', false);
      const next = await wanmark.run(...PING);
      await waitForAllBack(lab, wanmark);
      assert.deepEqual(tally(await lab.connect({ count: 9 })), { wan1: 3, wan2: 3, wan3: 3 });
      await next.stop();
    });
  });
});
