import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Lab } from '#wanmark/lab/lab.js';
import { wanArguments } from '#wanmark/lab/wanmark.js';
import { masquerade, withLab } from '../helpers/lab.js';
import { MAIN } from '../helpers/main.js';
import { addon, needs, nfqueue, program } from '../helpers/requires.js';
import { packets } from '../helpers/router-state.js';
import { tally } from '../helpers/traffic.js';

/** A deadline that keeps counts exact even where the machine stalls for a moment. */
const PATIENCE = ['--deadline', '10000'];

type Line = Readonly<Record<string, unknown>> & { readonly msg: string };

/** The daemon's log lines with that message. */
function logged(lines: readonly string[], message: string | RegExp): Line[] {
  const all = lines.map((line) => JSON.parse(line) as Line);
  return all.filter(({ msg }) => (typeof message === 'string' ? msg === message : message.test(msg)));
}

/** Users' own rule sets, like those that the first selectors of this kind were used with; each feeds queue 5. */
const OWN_RULES = {
  'with a guard': `
    iptables -t mangle -A PREROUTING -m connmark ! --mark 0 -j CONNMARK --restore-mark
    iptables -t mangle -A PREROUTING -i lan0 -m mark --mark 0 -m conntrack --ctstate NEW -j NFQUEUE --queue-num 5`,
  'that queue a packet again although it has its mark': `
    iptables -t mangle -A PREROUTING -i lan0 -m conntrack --ctstate NEW -j NFQUEUE --queue-num 5
    iptables -t mangle -A PREROUTING -m connmark ! --mark 0 -j CONNMARK --restore-mark`,
  'that wipe the mark and queue the packet again': `
    iptables -t mangle -A PREROUTING -j CONNMARK --restore-mark
    iptables -t mangle -A PREROUTING -m mark ! --mark 0 -j ACCEPT
    iptables -t mangle -A PREROUTING -i lan0 -m conntrack --ctstate NEW -j NFQUEUE --queue-num 5`,
};

async function ownRules(lab: Lab, rules: string): Promise<void> {
  const tables = lab.wans.map(
    ({ number, via, dev }) => `ip rule add fwmark ${number} table ${100 + number}
      ip route add default via ${via} dev ${dev} table ${100 + number}`,
  );
  await lab.router.sh(`${tables.join('\n')}
    ip rule add lookup main suppress_prefixlength 0 priority 1
    for d in all wan1 wan2 wan3; do echo 0 > /proc/sys/net/ipv4/conf/$d/rp_filter; done
    ${rules}
    iptables -t mangle -A POSTROUTING -j CONNMARK --save-mark`);
  await masquerade(lab);
}

async function bareSelector(lab: Lab, rules: string): Promise<void> {
  await ownRules(lab, rules);
  const flags = ['--high-mark', '3', '--queue-num', '5', '--log-mark', '--log-packet', ...PATIENCE];
  const daemon = lab.router.spawn([process.execPath, MAIN, 'run', ...flags]);
  await daemon.waitForLine((line) => line.includes('"started"'));
  const flows = await lab.connect({ count: 30 });
  assert.deepEqual(tally(flows), { wan1: 10, wan2: 10, wan3: 10 });
  await daemon.kill('SIGTERM');
  assert.deepEqual(await daemon.exited, { code: 0, signal: null });
  const [advice] = logged(daemon.lines, /this rule feeds the queue/);
  assert.match(
    advice!.msg,
    /iptables -t mangle .* -m mark --mark 0\/0xff -j NFQUEUE --queue-num 5 --queue-bypass/,
  );
  assert.deepEqual(logged(daemon.lines, /no rule feeds/), []);
  const decisions = logged(daemon.lines, 'mark');
  assert.deepEqual(
    decisions.map(({ mark }) => mark),
    flows.map((_, i) => (i % 3) + 1),
  );
  for (const { headers, packet, bytes } of decisions) {
    assert.equal((headers as Line).tcpFlags, 'SYN');
    assert.equal((packet as string).length, 2 * (bytes as number));
    assert.match(packet as string, /^45/);
  }
}

describe('wanmark run', needs(nfqueue, addon), () => {
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

  for (const [name, rules] of Object.entries(OWN_RULES)) {
    it(`is a bare selector with --high-mark for rules ${name}`, async () => {
      await withLab({ wans: 3 }, ({ lab }) => bareSelector(lab, rules));
    });
  }

  it('logs a line for each decision: source, destination, WAN and strategy; none without --log-mark', async () => {
    await withLab({ wans: 3, up: [], run: [] }, async ({ lab, daemon }) => {
      const flows = [
        ...(await lab.connect({ count: 3 })),
        ...(await lab.connect({ count: 3, family: 6, proto: 'udp' })),
        ...(await lab.connect({ count: 3, from: lab.router })),
      ];
      await daemon.stop();
      const lines = logged(daemon.program.lines, 'mark');
      assert.deepEqual(
        lines.map(({ wan, mark, strategy, proto, src, sport, dst, dport, in: dev }) =>
          [wan, mark, strategy, proto, src, sport, dst, dport, dev].join(),
        ),
        flows.map(({ wan, proto, src, sport, dst, dport }, i) =>
          [wan, wan!.at(-1), 'weighted', proto, src, sport, dst, dport, i < 6 ? 'lan0' : null].join(),
        ),
      );
    });
    await withLab({ wans: 2, ipv6: false, up: [] }, async ({ lab }) => {
      const daemon = lab.router.spawn([
        process.execPath,
        MAIN,
        'run',
        ...wanArguments(lab.wans),
        ...PATIENCE,
      ]);
      await daemon.waitForLine((line) => line.includes('"started"'));
      await lab.connect({ count: 4 });
      await daemon.kill('SIGINT');
      assert.equal((await daemon.exited).code, 0);
      assert.deepEqual(logged(daemon.lines, 'mark'), []);
      assert.deepEqual(
        logged(daemon.lines, 'summary').map(({ wan, picks }) => [wan, picks]),
        [
          ['wan1', 2],
          ['wan2', 2],
        ],
      );
    });
  });

  it('says at the start what it will do, and at the end what it did', async () => {
    const flags = ['--strategy', 'wrr', '--mask', '0xff00', '--queue-num', '7'];
    await withLab({ weights: [3, 1, 0], up: flags, run: flags }, async ({ lab, daemon }) => {
      await lab.connect({ count: 8 });
      await daemon.stop();
      const [started] = logged(daemon.program.lines, 'started');
      const { strategy, queue, mask, wans } = started!;
      assert.deepEqual({ strategy, queue, mask }, { strategy: 'weighted', queue: 7, mask: '0xff00' });
      assert.deepEqual(
        (wans as Line[]).map(({ name, mark, dev, weight, state }) => [name, mark, dev, weight, state]),
        [
          ['wan1', 1, 'wan1', 3, 'up'],
          ['wan2', 2, 'wan2', 1, 'up'],
          ['wan3', 3, 'wan3', 0, 'drain'],
        ],
      );
      assert.deepEqual(
        logged(daemon.program.lines, 'summary').map(({ wan, picks, share }) => [wan, picks, share]),
        [
          ['wan1', 6, 0.75],
          ['wan2', 2, 0.25],
          ['wan3', 0, 0],
        ],
      );
      assert.equal(logged(daemon.program.lines, 'stopped')[0]!.picks, 8);
    });
  });

  it('takes YAML and JSON with the flags’ keys, and flags win', async () => {
    await withLab({ weights: [3, 1], ipv6: false, up: [] }, async ({ lab }) => {
      const wan = lab.wans.map(({ name, dev, via, weight }) => ({ name, dev, via, weight }));
      const yaml = `strategy: weighted\nlog-mark: true\nwan:\n${wan.map((one) => `  - ${JSON.stringify(one)}\n`).join('')}`;
      for (const [config, flags, expected] of [
        [file('a.yaml', yaml), [], { wan1: 6, wan2: 2 }],
        [file('b.json', JSON.stringify({ strategy: 'weighted', wan })), [], { wan1: 6, wan2: 2 }],
        [file('a.yaml', yaml), ['--strategy', 'failover'], { wan1: 8 }],
      ] as const) {
        const daemon = lab.router.spawn([
          process.execPath,
          MAIN,
          'run',
          '--config',
          config,
          ...PATIENCE,
          ...flags,
        ]);
        await daemon.waitForLine((line) => line.includes('"started"'));
        assert.deepEqual(tally(await lab.connect({ count: 8 })), expected);
        await daemon.kill('SIGTERM');
        await daemon.exited;
      }
    });
  });

  it('loads a strategy of the user’s own', async () => {
    const strategy = file(
      'by-port.mjs',
      `export default ({ random, now }) => {
        if (typeof random() !== 'number' || typeof now() !== 'number') throw new Error('no context');
        return { pick: (flow, wans) => wans[(flow.dport + (flow.protoName === 'udp' ? 1 : 0)) % wans.length] };
      };`,
    );
    await withLab({ wans: 3, up: [], run: ['--strategy', strategy] }, async ({ lab, daemon }) => {
      for (const port of [7, 8, 9]) {
        await lab.server.serve(port).catch(() => undefined); // the lab serves port 7 already
        assert.deepEqual(tally(await lab.connect({ count: 4, port })), { [`wan${(port % 3) + 1}`]: 4 });
        assert.deepEqual(tally(await lab.connect({ count: 4, port, proto: 'udp' })), {
          [`wan${((port + 1) % 3) + 1}`]: 4,
        });
      }
      await daemon.stop();
      assert.equal(logged(daemon.program.lines, 'started')[0]!.strategy, 'by-port.mjs');
    });
  });

  for (const [fault, body, said] of [
    ['throws', 'throw new Error("no idea")', /strategy threw; the kernel chooses/],
    ['returns nothing', 'return undefined', /strategy returned no candidate; the kernel chooses/],
  ] as const) {
    it(`leaves the choice to the kernel when a strategy ${fault}, and says so once a second at most`, async () => {
      const strategy = file(`faulty.mjs`, `export default () => ({ pick() { ${body}; } });`);
      await withLab(
        { wans: 2, ipv6: false, up: [], run: ['--strategy', strategy] },
        async ({ lab, daemon }) => {
          const start = performance.now();
          const flows = await lab.connect({ count: 60 });
          const seconds = (performance.now() - start) / 1000;
          const counts = tally(flows);
          assert.equal((counts.wan1 ?? 0) + (counts.wan2 ?? 0), 60, JSON.stringify(counts));
          // The tolerance is six standard deviations of a fair coin.
          assert.ok(Math.abs(counts.wan1! - 30) < 24, JSON.stringify(counts));
          await daemon.stop();
          const complaints = logged(daemon.program.lines, said);
          assert.ok(complaints.length >= 1 && complaints.length <= seconds + 1, `${complaints.length} lines`);
          assert.equal(logged(daemon.program.lines, 'stopped')[0]!.strategyFaults, 60);
          assert.deepEqual(daemon.decisions, []);
        },
      );
    });
  }

  it('decides before it starts any program, and while all programs that it starts hang', async () => {
    const bin = join(dir, 'bin');
    const [asked, go] = [join(dir, 'asked'), join(dir, 'go')];
    mkdirSync(bin);
    const names = ['ip', 'iptables', 'ip6tables', 'iptables-save', 'ip6tables-save', 'nft', 'sysctl', 'sh'];
    for (const name of names) {
      const wrapper = `#!/bin/sh
        PATH=$(echo "$PATH" | sed 's|^${bin}:||')
        echo '${name}' >>${asked}
        until [ -e ${go} ]; do sleep 0.05; done
        exec ${name} "$@"`;
      writeFileSync(join(bin, name), wrapper, { mode: 0o755 });
    }
    await withLab({ wans: 2, ipv6: false, up: [] }, async ({ lab }) => {
      const run = [process.execPath, MAIN, 'run', ...wanArguments(lab.wans), '--log-mark', ...PATIENCE];
      const daemon = lab.router.spawn(['env', `PATH=${bin}:${process.env.PATH}`, ...run]);
      await daemon.waitForLine((line) => line.includes('"started"'));
      assert.deepEqual(tally(await lab.connect({ count: 6 })), { wan1: 3, wan2: 3 });
      await daemon.until(() => logged(daemon.lines, 'mark')[5], 'six decisions');
      await daemon.until(() => existsSync(asked) || undefined, 'a program that hangs');
      writeFileSync(go, '');
      await daemon.kill('SIGTERM');
      assert.equal((await daemon.exited).code, 0);
    });
  });

  it('warns when no rule feeds the queue, with the command that makes one', async () => {
    await withLab({ wans: 2, ipv6: false, run: [] }, async ({ lab, daemon }) => {
      await daemon.program.waitForLine((line) => line.includes('no rule feeds'));
      const [warning] = logged(daemon.program.lines, /no rule feeds/);
      const command = /run: wanmark (up .*)$/.exec(warning!.msg)![1]!;
      await lab.router.exec([process.execPath, MAIN, ...command.split(' ')]);
      assert.deepEqual(tally(await lab.connect({ count: 4 })), { wan1: 2, wan2: 2 }, 'the command is right');
    });
  });

  it('writes readable lines on a terminal', needs(program('script')), async () => {
    await withLab({ wans: 2, ipv6: false, up: [] }, async ({ lab }) => {
      // With `exec`, since script(1) runs $SHELL, and a shell that stays answers Ctrl-C itself, with 130.
      const command = [
        'exec',
        process.execPath,
        MAIN,
        'run',
        ...wanArguments(lab.wans),
        '--log-mark',
        ...PATIENCE,
      ].join(' ');
      const daemon = lab.router.spawn(['script', '-qefc', command, '/dev/null']);
      await daemon.waitForLine((line) => line.includes('started'));
      await lab.connect({ count: 2 });
      await daemon.waitForLine((line) => /: wan2 \(/.test(line));
      assert.ok(daemon.lines.every((line) => !line.startsWith('{')));
      daemon.write('\x03'); // Ctrl-C
      assert.equal((await daemon.exited).code, 0);
    });
  });

  it('continues when nobody reads its log any more', async () => {
    await withLab({ wans: 2, ipv6: false, up: [] }, async ({ lab }) => {
      const run = [process.execPath, MAIN, 'run', ...wanArguments(lab.wans), '--log-mark', ...PATIENCE].join(
        ' ',
      );
      const daemon = lab.router.spawn(['sh', '-c', `${run} | head -n 1; echo reader gone; wait`]);
      await daemon.waitForLine((line) => line.includes('"started"'));
      assert.deepEqual(tally(await lab.connect({ count: 100 })), { wan1: 50, wan2: 50 });
      assert.deepEqual(tally(await lab.connect({ count: 100 })), { wan1: 50, wan2: 50 });
      assert.equal(await packets(lab.router, 'nat', 'WANMARK_KERNEL', /MARK/), 0, 'the kernel chose nothing');
    });
  });
});
