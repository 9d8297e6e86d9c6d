/** What clients notice of a WAN that swallows everything while its link stays up. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Lab } from '#wanmark/lab/lab.js';
import { SERVER } from '#wanmark/lab/network.js';
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
import { tally } from '../helpers/traffic.js';
import {
  mute,
  stateLines,
  swallow,
  waitForAllBack,
  waitForKernel,
  waitForState,
} from '../helpers/uplinks.js';

const RUN: readonly string[] = [];
/** A failed round lasts as long as its timeout, so a WAN goes down after some five seconds, and up after 1.5. */
const PING = ['--check', `all=ping,to=${SERVER[4]},interval=0.5,fall=3,rise=3`];
/** The promise on a machine that is not overloaded: connected after SYNs sent again after one and three seconds. */
const LONGEST_CONNECT_MS = 3500;
/** When TCP sends a SYN again, with a tcp_syn_linear_timeouts of 0 as before Linux 6.5. */
const SYNS_MS = [1000, 3000, 7000, 15_000, 31_000];

/** The first retransmission after a dead WAN was left out, in ms from the death: the longest wait of a client. */
function nextSyn(noticedMs: number): number {
  return SYNS_MS.find((ms) => ms > noticedMs) ?? Number.POSITIVE_INFINITY;
}

const WAYS: readonly (readonly [string, (lab: Lab, dead: boolean) => Promise<void>])[] = [
  ['whose gateway is silent', (lab, dead) => mute(lab, 'gw2', dead)],
  ['that is broken behind a gateway that answers', (lab, dead) => swallow(lab, 'gw2', dead)],
];

describe('a black hole among three WANs', needs(nfqueue, addon), () => {
  for (const [kind, run] of [
    ['without any check', RUN],
    ['with a ping check', [...RUN, ...PING]],
  ] as const) {
    for (const [what, set] of WAYS) {
      it(`${what}, ${kind}: no connect fails, and none takes long`, async (t) => {
        await withLab({ wans: 3, ipv6: false, clientAddresses: 4, up: [], run }, async ({ lab, daemon }) => {
          await exponentialSyns(lab);
          const load = await SteadyLoad.start(lab, await feasibleRate(lab, 100));
          const { slowestConnectMs: usualMs } = await load.more(100);
          let died = 0;
          const inFlight = await inFlightDuring(load, async () => {
            died = Date.now();
            await set(lab, true);
          });
          const answers = await lab.router.exec(['ping', '-c', '1', '-W', '1', lab.wans[1]!.via], {
            okCodes: 'any',
          });
          assert.equal(answers.code === 0, what.endsWith('answers'), 'the gateway answers for itself');
          const down = await waitForState(daemon, 'wan down', 'wan2');
          if (kind.startsWith('without'))
            assert.match(down.reason, /^\d+ new connections unanswered for up to /);
          await load.more(100);
          // The WAN is still dead, so connections that it was given get their answers by others.
          const report = await load.end();
          const noticedMs = Date.parse(down.since) - died;
          const { done, slowConnects, slowestConnectMs, longestPauseMs, broken } = report;
          t.diagnostic(
            `noticed after ${noticedMs} ms; of ${done} connects ${slowConnects} above 500 ms, ` +
              `the slowest ${slowestConnectMs} ms (${usualMs} ms before, a pause of ${longestPauseMs} ms), ` +
              `broken ${JSON.stringify(broken)}`,
          );
          assertConnects(report, inFlight);
          // A machine that stalls notices later and sends later.
          const slackMs = LONGEST_CONNECT_MS - 3000 + Math.max(usualMs, longestPauseMs);
          const boundMs = nextSyn(Math.max(1000, noticedMs + slackMs)) + slackMs;
          assert.ok(slowestConnectMs <= boundMs, `${slowestConnectMs} ms, at most ${boundMs}`);
          // Passive suspicion lasts ten seconds, so one case is enough to see its end.
          if (what.endsWith('silent')) {
            await set(lab, false);
            await waitForState(daemon, 'wan up', 'wan2');
            assert.deepEqual(tally(await lab.connect({ count: 9 })), { wan1: 3, wan2: 3, wan3: 3 });
          }
          assert.ok(stateLines(daemon).every(({ wan }) => wan === 'wan2'));
        });
      });
    }
  }

  it('is avoided by the kernel after the daemon was killed, and used by the next daemon when it is back', async (t) => {
    const run = [...RUN, ...PING];
    await withLab({ wans: 3, ipv6: false, up: [], run }, async ({ lab, wanmark, daemon }) => {
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
      const next = await wanmark.run(...run);
      await waitForAllBack(lab, wanmark);
      assert.deepEqual(tally(await lab.connect({ count: 9 })), { wan1: 3, wan2: 3, wan3: 3 });
      await next.stop();
    });
  });
});
