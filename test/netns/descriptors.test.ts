/** What becomes of the daemon when it has no descriptors left: a fault of the machine, and not one of the WANs. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { SERVER_PORT } from '#wanmark/lab/lab.js';
import { SERVER } from '#wanmark/lab/network.js';
import { childrenOf } from '#wanmark/lab/program.js';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue, program } from '../helpers/requires.js';
import { eventually } from '../helpers/router-state.js';
import { statusOf } from '../helpers/status.js';
import { tally } from '../helpers/traffic.js';
import { stateLines } from '../helpers/uplinks.js';

const FAILED = '"msg":"a part of the daemon failed; the others go on"';
const UNKNOWN = '"msg":"a check found nothing out; the WAN stays as it is"';
/** Each kind of check that can answer in a lab. The script needs no network, so it fails for want of descriptors alone. */
const CHECKS = ['ping', `tcp,to=${SERVER[4]}:${SERVER_PORT}`, 'script,to=/bin/true'].flatMap((check) => {
  const to = check.includes('to=') ? check : `${check},to=${SERVER[4]}`;
  return ['--check', `all=${to},interval=0.2,fall=2`];
});

describe('a daemon without descriptors', needs(nfqueue, addon, program('prlimit')), () => {
  it('decides, takes no WAN down, says what it cannot do, and does it again when there are some', async () => {
    const run = [...CHECKS, '--hook', '/bin/true'];
    await withLab({ wans: 3, up: [], run }, async ({ lab, wanmark, daemon }) => {
      const { program: running } = daemon;
      const pid = childrenOf(running.pid)[0] ?? running.pid;
      const limit = (soft: string) => execFileSync('prlimit', ['--pid', String(pid), `--nofile=${soft}:`]);
      const rounds = async () => (await statusOf(wanmark)).wans.flatMap(({ checks }) => checks);
      await eventually(
        rounds,
        (all) => all.length === 12,
        'each check has had a round in each family that it has',
      );

      limit('3');
      for (const kind of ['ping', 'tcp', 'script']) {
        await running.waitForLine((line) => line.includes(UNKNOWN) && line.includes(`"check":"${kind}"`));
      }
      const decided = daemon.decisions.length;
      tally(await lab.connect({ count: 30 }));
      // The log is written a moment after the verdicts.
      await running.until(
        () => daemon.decisions.length - decided === 30 || undefined,
        'a line for each decision',
        60_000,
      );
      await running.waitForLine((line) => line.includes(FAILED) && line.includes('/proc/net/dev'));
      // Nobody can be accepted on the socket, and nobody waits for that.
      assert.equal((await wanmark.command(['status'], 'any')).code, 1);
      assert.deepEqual(stateLines(daemon), []);

      limit('1024');
      await eventually(
        rounds,
        (all) => all.every(({ unknown }) => unknown === null),
        'the checks can tell again',
      );
      assert.deepEqual(stateLines(daemon), []);
      await lab.router.sh('ip link set wan3 down');
      await running.waitForLine((line) => line.includes('"msg":"wan down"') && line.includes('wan3'));
      assert.deepEqual(tally(await lab.connect({ count: 30 })), { wan1: 15, wan2: 15 });
    });
  });
});
