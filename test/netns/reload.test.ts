/**
 * A daemon goes over to another configuration under load, and back, again and again; and one that is started anew knows who
 * was down. WANMARK_RELOADS says how often, for a machine with time: `WANMARK_RELOADS=100 node --test ...`.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { KernelStatus } from '#wanmark/control/status.js';
import { type Lab, SERVER_PORT } from '#wanmark/lab/lab.js';
import { SERVER } from '#wanmark/lab/network.js';
import type { Program } from '#wanmark/lab/program.js';
import { wanArguments } from '#wanmark/lab/wanmark.js';
import { withLab } from '../helpers/lab.js';
import { assertUnharmed, feasibleRate, SteadyLoad } from '../helpers/load.js';
import { MAIN } from '../helpers/main.js';
import { WAN_FIELD } from '../helpers/marks.js';
import { addon, conntrackTable, needs, nfqueue } from '../helpers/requires.js';
import { conntrack, eventually } from '../helpers/router-state.js';
import { statusOf } from '../helpers/status.js';
import { tally } from '../helpers/traffic.js';
import { swallow } from '../helpers/uplinks.js';

/** Where the sandbox's daemon keeps what outlives a boot. */
const STATE = '/run/wanmark-state/run-wanmark-wanmark.sock.month';
const RATE = 2000;
const RELOADS = Number(process.env.WANMARK_RELOADS ?? 4);

/** How the two configurations weigh the WANs; wan3 is for one client only, and in one of them. */
const [A, B] = [
  { weights: [3, 1, 1], tier: 2, client: 'wan3' },
  { weights: [1, 4, 1], tier: 3, client: 'wan2' },
];

function configuration(lab: Lab, { weights, tier, client }: typeof A, more: object = {}): string {
  const wan = wanArguments(lab.wans)
    .filter((word) => word !== '--wan')
    .map((text, i) => text.replace(/weight=\d+/, `weight=${weights[i]}`))
    .map((text, i) => (i === 2 ? text.replace(/tier=\d+/, `tier=${tier}`) : text));
  const [one] = lab.sourcesOf(lab.client, 4);
  const rule = [`${client},from=${one}`];
  return JSON.stringify({ wan, rule, deadline: 10_000, 'up-after': 0, 'slow-start': 0, ...more });
}

const said = (program: Program, msg: string) =>
  program.lines.filter((line) => line.includes(`"msg":"${msg}"`));

describe('wanmark reload', needs(nfqueue, addon, conntrackTable), () => {
  let dir: string;
  let file: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'wanmark-test-'));
    file = join(dir, 'wanmark.json');
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  const start = async (lab: Lab): Promise<Program> => {
    const program = lab.router.spawn([process.execPath, MAIN, 'run', '--up', '--config', file]);
    await program.waitForLine((line) => line.includes('"msg":"started"'));
    return program;
  };

  it('goes over under load: no connection fails, is moved or gets a mark of neither configuration', async (t) => {
    await withLab({ wans: 3, ipv6: false, clientAddresses: 8 }, async ({ lab, wanmark }) => {
      const write = (text: string) => writeFileSync(file, text);
      write(configuration(lab, A));
      const daemon = await start(lab);
      const held = await lab.connect({ count: 6, hold: true });
      const load = await SteadyLoad.start(lab, await feasibleRate(lab, RATE));
      const picked = async () => (await statusOf(wanmark)).wans.reduce((sum, { picks }) => sum + picks, 0);
      let picks = await picked();
      const began = performance.now();
      for (let i = 1; i <= RELOADS; i++) {
        write(configuration(lab, i % 2 === 0 ? A : B));
        await daemon.kill('SIGHUP');
        await daemon.waitForLine(() => said(daemon, 'reloaded').length === i);
      }
      const each = Math.round((performance.now() - began) / RELOADS);
      const now = await picked();
      assert.ok(now > picks, 'counts go on');
      picks = now;

      // What is wrong leaves all as it is, and says where.
      const rules = await lab.router.sh('iptables-save | grep -v "^[#:]" | sed "s/^.[0-9:]*] //"; ip rule');
      write('wan:\n  - name: wan1\n    dev: wan1\n    weigt: 2\n');
      const broken = await wanmark.command(['reload'], 'any');
      assert.equal(broken.code, 2);
      assert.match(
        broken.stderr,
        /^wanmark: .*wanmark\.json:4:5: WAN "wan1": unknown key "weigt"; did you mean "weight"\?\n$/,
      );
      write(configuration(lab, A, { mask: '0xff0000', queues: 2 }));
      const other = await wanmark.command(['reload', '--dry-run'], 'any');
      assert.equal(other.code, 2);
      assert.match(
        other.stderr,
        /wanmark\.json:1:\d+: this needs another daemon: mask 0x3f000000 -> 0xff0000, queues 1 -> 2;/,
      );
      write(configuration(lab, B));
      const dry = await wanmark.command(['reload', '--dry-run'], 'any');
      const back = RELOADS % 2 === 1;
      assert.equal(dry.code, back ? 0 : 1);
      if (!back)
        assert.match(
          dry.stdout,
          /^~ wan1 weight 3 -> 1\n~ wan2 weight 1 -> 4\n~ wan3 tier 2 -> 3\n\+ rule wan2,from=/,
        );
      assert.deepEqual(
        await lab.router.sh('iptables-save | grep -v "^[#:]" | sed "s/^.[0-9:]*] //"; ip rule'),
        rules,
      );

      assert.deepEqual(
        (await lab.exchange(lab.client, held)).map(({ wan }) => wan),
        held.map(({ wan }) => wan),
        'connections stay where they are',
      );
      const report = await load.end();
      const { started, done, slow, longestMs, seconds } = report;
      t.diagnostic(
        `${RELOADS} reloads of ${each} ms, ${done} connections at ${Math.round(started / seconds)} a second, ${slow} slow, the longest ${longestMs} ms`,
      );
      assertUnharmed(report);
      const [one] = lab.sourcesOf(lab.client, 4);
      const wrong = (await conntrack(lab.router)).filter(({ src, dst, dport, mark }) => {
        if (dst !== SERVER[4] || dport !== SERVER_PORT) return false;
        const number = WAN_FIELD.decode(mark);
        return src === one ? ![2, 3].includes(number) : ![1, 2].includes(number);
      });
      assert.deepEqual(wrong.slice(0, 3), []);
      assert.ok((await picked()) >= picks);
      await daemon.kill('SIGTERM');
      assert.deepEqual(await daemon.exited, { code: 0, signal: null });
    });
  });

  it('takes up a check; and a daemon that is back sends nothing to a WAN that was dead a moment ago, and counts the month on', async () => {
    await withLab({ wans: 2, ipv6: false }, async ({ lab, wanmark }) => {
      const check = [`all=ping,to=${SERVER[4]},interval=0.5,timeout=0.4,fall=2,rise=2`];
      const plain = { weights: [1, 1], tier: 1, client: 'wan2' };
      writeFileSync(file, configuration(lab, plain));
      let daemon = await start(lab);
      // Somebody has brought up the rules of another file. A reload of the same one makes them follow, and says so before.
      writeFileSync(`${file}.other`, configuration(lab, { ...plain, weights: [3, 1] }));
      await wanmark.command(['up', '--config', `${file}.other`]);
      const RULES = 'rules: ~ wan1 weight 3 -> 1\n';
      for (const [args, code, stdout] of [
        [['--dry-run'], 1, RULES],
        [[], 0, RULES],
        [['--dry-run'], 0, 'the configuration is the same\n'],
      ] as const) {
        const answer = await wanmark.command(['reload', ...args], 'any');
        assert.deepEqual([answer.code, answer.stdout], [code, stdout], answer.stderr);
      }
      writeFileSync(file, configuration(lab, plain, { check }));
      const { stdout } = await wanmark.command(['reload']);
      assert.match(stdout, /^\+ check all=ping,to=[\d.]+,interval=0\.5,/);
      await swallow(lab, lab.wans[0]!.gateway, true);
      const isDown = (line: string) => line.includes('"msg":"wan down"') && line.includes('"wan":"wan1"');
      await daemon.waitForLine(isDown);
      const { since } = (await statusOf(wanmark)).wans[0]!;
      // Killed, it could say nothing any more; what it wrote before has to do.
      await eventually(
        () => lab.router.exec(['cat', '/run/wanmark/wanmark.sock.memory']),
        (out) => JSON.parse(out.stdout).memory.targets['wan1/4']?.up === false,
        'it is written down',
      );
      await daemon.kill('SIGKILL');
      await daemon.exited;
      daemon = await start(lab);
      const flows = await lab.connect({ count: 20 });
      assert.deepEqual(tally(flows), { wan2: 20 });
      const [wan1] = (await statusOf(wanmark)).wans;
      assert.equal(wan1!.state, 'down');
      assert.ok(Math.abs(Date.parse(wan1!.since) - Date.parse(since)) < 1000, `${wan1!.since}, was ${since}`);
      assert.match(wan1!.reason, /rounds failed/);
      await swallow(lab, lab.wans[0]!.gateway, false);
      await daemon.waitForLine((line) => line.includes('"msg":"wan up"'));

      // What a WAN carried this month, over a restart and over a boot.
      const month = async () => {
        const look = async () => (await statusOf(wanmark)).wans[1]!.traffic?.month;
        return (await eventually(look, (one) => Boolean(one), 'the bytes of the month'))!;
      };
      const first = await month();
      await daemon.kill('SIGTERM');
      await daemon.exited;
      const kept = lab.sandbox.root + STATE;
      const { wans } = JSON.parse(readFileSync(kept, 'utf8'));
      assert.ok(wans.wan2.in >= first.inBytes && wans.wan2.in > 0, JSON.stringify([wans, first]));
      daemon = await start(lab);
      const second = await month();
      assert.equal(second.since, first.since);
      assert.ok(second.inBytes >= wans.wan2.in, JSON.stringify([second, wans]));
      await daemon.kill('SIGTERM');
      await daemon.exited;
      const text = readFileSync(kept, 'utf8');
      const { last, in: before } = JSON.parse(text).wans.wan2;
      writeFileSync(kept, text.replaceAll(last.boot, 'the one before'));
      const { stdout: without } = await wanmark.command(['status', '--json']);
      const shown = (JSON.parse(without) as KernelStatus).wans[1]!.traffic!.month!;
      assert.ok(shown.inBytes >= before + last.in, 'also without a daemon');
      daemon = await start(lab);
      assert.ok((await month()).inBytes >= before + last.in, 'all that was counted since the boot');
      await daemon.kill('SIGTERM');
      await daemon.exited;
    });
  });
});
