/** Rules and policies as the server sees them, in every state of the daemon: what a policy forbids never happens. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { RawConfig } from '#wanmark/config/options.js';
import { addon, iptablesLegacy, needs, nfqueue, program } from '../helpers/requires.js';
import { Machine, PATIENT_MS, SERVER, SERVER6, tally, VARIANTS, wans } from './rules-harness.js';
import { done, serve, startDaemon, wanOf } from './rules-steps.js';

/** The ports of the server, by the policy that a rule leads them to. */
const PORTS = {
  any: '7000',
  voice: '7001',
  only: '7002',
  direct: '7003',
  refused: '7004',
  slow: '7005',
} as const;
type To = keyof typeof PORTS;

/** Blocks the strategy's thread for longer than the deadline. */
const SLOW = `
  const never = new Int32Array(new SharedArrayBuffer(4));
  export default () => ({ pick: (flow, wans) => { Atomics.wait(never, 0, 0, 60); return wans[0]; } });`;

for (const [variant, programs] of Object.entries(VARIANTS)) {
  describe(
    `policies, iptables-${variant}`,
    needs(variant === 'nft' ? nfqueue : iptablesLegacy, addon, program('conntrack'), program('ipset')),
    () => {
      let machine: Machine;
      let config: RawConfig;

      const up = (raw: RawConfig = config) => done(machine, 'up', raw, { env: programs });
      /** The WANs that the server saw connections come by, by number; what failed counts as 0. */
      async function seen(to: To, { count = 20, from = 'client', server = SERVER, isRefused = false } = {}) {
        const lines = await machine.call(
          ['tcp', isRefused ? '1' : String(count), server, PORTS[to]],
          from === 'router' ? undefined : from,
          // The kernel limits how many errors it sends, so a refusal may be silence.
          isRefused ? 300 : PATIENT_MS,
        );
        return tally(lines.map((line) => (line.startsWith('failed') ? '0' : wanOf(line))));
      }
      const daemon = (more: RawConfig = {}) => startDaemon(machine, { ...config, ...more }, programs);
      const set = (...args: string[]) => {
        const result = machine.command(['set', ...args]);
        assert.equal(result.status, 0, result.stderr);
      };
      /** What each rule took, by `status rules`. */
      const counted = (): { connections: number; packets: number; since: string }[] =>
        JSON.parse(machine.command(['status', 'rules', '--json'], { env: programs }).stdout);
      /** What holds in every state, for the LAN and for the router itself, in both families. */
      const holds = async (state: string, wan: string = '2') => {
        for (const from of ['client', 'router']) {
          for (const server of [SERVER, SERVER6]) {
            const only = await seen('only', { from, server, count: 10, isRefused: wan === '0' });
            assert.deepEqual(
              Object.keys(only),
              [wan],
              `${state}: only, ${from}, ${server}: ${JSON.stringify(only)}`,
            );
          }
          const refused = await seen('refused', { from, isRefused: true });
          assert.deepEqual(refused, { 0: 1 }, `${state}: refused, ${from}`);
        }
        const direct = await seen('direct');
        assert.deepEqual(direct, { 1: 20 }, `${state}: direct`);
      };

      before(async () => {
        machine = await Machine.start();
        machine.buildNetwork();
        machine.addLinkLocal();
        await serve(machine, Object.values(PORTS), [SERVER, SERVER6], 'inet');
        const slow = join(machine.directory, 'slow.mjs');
        writeFileSync(slow, SLOW);
        const rule = (policy: string, to: To) => `${policy},proto=tcp+udp,dport=${PORTS[to]}`;
        config = {
          wan: wans([1, 1, 1]),
          policy: [
            'voice,use=wan3+wan2:tier=2,none=unreachable',
            `slow,use=wan3+wan2,none=wan2,strategy=${slow}`,
          ],
          rule: [
            rule('voice', 'voice'),
            rule('wan2', 'only'),
            rule('direct', 'direct'),
            rule('unreachable', 'refused'),
            rule('slow', 'slow'),
          ],
          deadline: '10',
          'queue-length': '4',
        };
      });
      after(() => machine.stop());

      test('every kind of condition is taken by iptables, and comes back as it was', () => {
        const many = Array.from({ length: 70 }, (_, i) => `198.18.${i}.0/24`);
        const raw = {
          ...config,
          set: [`many,net=${many.join('+')}`, 'few,net=198.19.0.0/24+2001:db8:9::/48'],
          rule: [
            'voice,from=10.9.0.2+10.9.0.5-10.9.0.9,to=!203.0.113.7+203.0.113.8,proto=tcp+udp,sport=!1-1023',
            'wan1,from=0.0.0.1/0.0.0.1,in=lan+,mac=!02:00:00:00:00:01',
            'wan1,from=::1/::1,dscp=ef+af41,fwmark=0x10/0xf0,family=6',
            'wan2,set=!many,proto=!icmp,time=mon-fri 22:00-06:00 Europe/Berlin',
            // A user namespace knows no other user.
            'wan2,set=few+many,own=true,uid=0',
            'default,proto=gre+esp+sctp',
            ...Array.from({ length: 9 }, (_, i) => `wan3,proto=tcp,dport=${8000 + i}`),
          ],
        };
        up(raw);
        assert.match(up(raw), /already up; nothing to change/);
        const check = machine.wanmark('check', undefined, { env: programs });
        assert.equal(check.status, 0, check.stderr);
        const rows = JSON.parse(machine.command(['status', 'rules', '--json'], { env: programs }).stdout);
        assert.deepEqual(
          rows.map(({ rule, policy }: { rule: number; policy: string }) => `${rule} ${policy}`),
          [
            '1 voice',
            '2 wan1',
            '3 wan1',
            '4 wan2',
            '5 wan2',
            '6 default',
            ...Array.from({ length: 9 }, (_, i) => `${i + 7} wan3`),
          ],
        );
        assert.equal(machine.wanmark('down', undefined, { env: programs }).status, 0);
        assert.doesNotMatch(machine.snapshot(), /WANMARK/);
        assert.doesNotMatch(machine.sh('ipset list -n'), /WANMARK/);
      });

      test('hold without a daemon, and by the kernel alone', async () => {
        for (const engine of ['nfqueue', 'kernel']) {
          up({ ...config, engine });
          await holds(engine);
          const before = counted();
          assert.deepEqual(await seen('voice'), { 3: 20 });
          const took = counted().map(({ connections }, i) => connections - before[i]!.connections);
          assert.deepEqual(took, [20, 0, 0, 0, 0], 'what each rule took');
          const any = await seen('any', { count: 60 });
          assert.ok(
            ['1', '2', '3'].every((wan) => (any[wan] ?? 0) > 3),
            JSON.stringify(any),
          );
        }
      });

      test('what rules took, and since when, is kept until they change', async () => {
        up();
        await seen('voice', { count: 3 });
        const before = counted();
        assert.ok(before[0]!.connections >= 3 && before[0]!.packets === before[0]!.connections);
        const age = Date.now() - Date.parse(before[0]!.since);
        assert.ok(age > 0 && age < 600_000, `counting for ${age} ms`);
        up();
        done(machine, 'refresh', undefined, { env: programs });
        const near = (a: string, b: string) => Math.abs(Date.parse(a) - Date.parse(b)) < 100;
        const after = counted();
        assert.ok(after.every((one, i) => one.connections === before[i]!.connections));
        assert.ok(after.every(({ since }, i) => near(since, before[i]!.since)));
        assert.match(
          machine.command(['status', 'rules'], { env: programs }).stdout,
          /│ rule │ match .*│ policy .*│ connections │ in the last │\n/,
        );
        const start = Date.now();
        up({ ...config, rule: (config.rule as string[]).toReversed() });
        for (const { connections, since } of counted()) {
          assert.equal(connections, 0);
          assert.ok(Date.parse(since) > start - 100, since);
        }
      });

      test('hold with the daemon: its pools decide, and log and status name them', async () => {
        up();
        const running = await daemon({ 'log-mark': true, deadline: '10000' });
        try {
          await holds('daemon');
          assert.deepEqual(await seen('any', { count: 30 }), { 1: 10, 2: 10, 3: 10 });
          const status = JSON.parse(machine.command(['status', '--json']).stdout);
          const only = status.policies.find(({ name }: { name: string }) => name === 'wan2');
          assert.equal(only.none, 'unreachable');
          assert.equal(only.wans[0].picks, 20, 'the router’s own are the kernel’s');
          assert.equal(status.faults.threw + status.faults.noCandidate, 0);
          assert.match(
            machine.command(['status']).stdout,
            /policy voice, strategy weighted, without a WAN: unreachable/,
          );
          const lines = [];
          for (let line = ''; !line.includes(`"dport":${PORTS.any}`); line = (await running.line()) ?? '')
            lines.push(line);
          assert.ok(
            lines.some((line) => line.includes('"wan":"wan2","policy":"wan2"')),
            lines.at(-1),
          );
        } finally {
          await running.stop('SIGTERM');
        }
      });

      test('hold while decisions are late, and while the daemon is stopped, killed and restarted', async () => {
        up();
        const running = await daemon();
        try {
          const slow = await seen('slow', { count: 6 });
          assert.deepEqual(
            Object.keys(slow).filter((wan) => !['2', '3'].includes(wan)),
            [],
            JSON.stringify(slow),
          );
          running.pause();
          const calls = machine.call(['burst', '20', SERVER, PORTS.only], 'client', 10_000);
          // The queue holds 4; the others are the kernel's.
          machine.until(`grep -q '^ *0 *[0-9]* *4 ' /proc/net/netfilter/nfnetlink_queue`);
          running.resume();
          assert.deepEqual(tally(await calls), { '192.0.2.2': 20 });
          await holds('after a stop');
        } finally {
          await running.stop('SIGKILL');
        }
        await holds('killed');
        let goesOn = true;
        const restarts = (async () => {
          for (let i = 0; i < 2; i++) await (await daemon()).stop('SIGTERM');
        })().finally(() => {
          goesOn = false;
        });
        try {
          while (goesOn) {
            const made = tally(await machine.call(['tcp', '20', SERVER, PORTS.only], 'client'));
            assert.deepEqual(made, { '192.0.2.2': 20 }, 'while it is restarted');
          }
        } finally {
          await restarts;
        }
      });

      test('hold while a WAN is down, by hand and by its device', async () => {
        up();
        const running = await daemon();
        try {
          set('wan2', 'state=down');
          await holds('state=down', '0');
          assert.deepEqual(await seen('voice', { count: 5 }), { 3: 5 });
          set('wan3', 'state=down');
          assert.deepEqual(await seen('voice', { isRefused: true }), { 0: 1 });
          assert.deepEqual(await seen('any', { count: 5 }), { 1: 5 });
          set('wan2', 'state=auto');
          await holds('state=auto');
          assert.deepEqual(await seen('voice', { count: 5 }), { 2: 5 }, 'the second tier');
        } finally {
          await running.stop('SIGTERM');
        }
        // Nobody tells the kernel's choice of the device; the way of the WAN is gone with it.
        machine.sh('ip link set w2 down');
        await holds('device down, no daemon', '0');
        machine.sh(
          `ip link set w2 up; ip addr replace 2001:db8:2::2/64 dev w2; ip addr replace fe80::2/64 dev w2`,
        );
        machine.until('[ "$(ip -o link show type veth | grep -c LOWER_UP)" = 4 ]');
        assert.equal(machine.wanmark('refresh', undefined, { env: programs }).status, 0);
        await holds('device up');
      });

      test('hold when conntrack forgets, and while rules change', async () => {
        up();
        const held = await machine.peer(['hold', SERVER, PORTS.only], 'client');
        assert.equal(await held.line(), 'connected');
        assert.equal(await held.ask('?'), '192.0.2.2');
        machine.sh('conntrack -F');
        assert.equal(await held.ask('?'), '192.0.2.2');
        await held.end();
        const others = { ...config, rule: (config.rule as string[]).toReversed(), policy: config.policy };
        const calls = machine.call(['tcp', '400', SERVER, PORTS.only], 'client', PATIENT_MS);
        for (const raw of [others, config, { ...others, engine: 'kernel' }, config]) up(raw);
        assert.deepEqual(tally(await calls), { '192.0.2.2': 400 });
        const down = machine.wanmark('down', undefined, { env: programs });
        assert.equal(down.status, 0, down.stderr);
        assert.doesNotMatch(machine.snapshot(), /WANMARK/);
      });

      // The variant makes no difference to these.
      if (variant !== 'nft') return;

      test('a network that the main table knows is led by a rule that names it, and by no other', async () => {
        machine.sh('ip route add 203.0.113.0/24 via 192.0.1.1');
        const rule = ['wan2,proto=tcp', `wan3,to=${SERVER},proto=tcp,dport=${PORTS.voice}`];
        for (const engine of ['kernel', 'nfqueue']) {
          assert.doesNotMatch(up({ ...config, engine, rule }), /can never match/);
          for (const from of ['client', 'router']) {
            assert.deepEqual(await seen('any', { from, count: 5 }), { 1: 5 }, from);
            assert.deepEqual(await seen('voice', { from, count: 5 }), { 3: 5 }, from);
            assert.deepEqual(await seen('any', { from, count: 5, server: SERVER6 }), { 2: 5 }, from);
          }
        }
        machine.sh('ip route del 203.0.113.0/24');
      });

      test('sets follow their file within a second, and ipsets of others when they come', async (t) => {
        const file = join(machine.directory, 'video.txt');
        const sets = {
          ...config,
          set: [`video,file=${file}`, 'streaming,external'],
          rule: [
            `wan3,set=video,proto=tcp,dport=${PORTS.any}`,
            `wan2,set=streaming,proto=tcp,dport=${PORTS.voice}`,
            'wan1,own=false',
          ],
        };
        const refused = machine.wanmark('up', sets, { env: programs });
        assert.match(refused.stderr, /set "video": cannot read .*: ENOENT/);
        assert.equal(refused.status, 2);
        writeFileSync(file, '203.0.113.0/33\n');
        assert.match(
          machine.wanmark('up', sets, { env: programs }).stderr,
          /video.txt line 1: "203.0.113.0\/33" is not/,
        );
        writeFileSync(file, '# nothing yet\n');
        assert.match(up(sets), /warning: there is no ipset streaming/);
        const running = await daemon({ ...sets, deadline: '10000' });
        /** Waits until connections go by the WAN, and no other. @returns after how many milliseconds */
        const comesTo = async (to: To, wan: string) => {
          const start = performance.now();
          for (;;) {
            const found = Object.keys(await seen(to, { count: 3 }));
            const ms = performance.now() - start;
            if (found.join() === wan) return ms;
            assert.ok(ms < 20_000, `${to} goes by ${found.join()}`);
          }
        };
        try {
          assert.deepEqual(await seen('any', { count: 4 }), { 1: 4 });
          // A whole pass has to find that nothing is to do before a change of a set is the only thing to do.
          await comesTo('voice', '1');
          writeFileSync(file, `${SERVER}\n2001:db8:ff::/48 # the server\n`);
          t.diagnostic(`followed the file after ${Math.round(await comesTo('any', '3'))} ms`);
          assert.deepEqual(await seen('any', { server: SERVER6, count: 4 }), { 3: 4 });
          writeFileSync(file, 'nonsense\n');
          for (let line = ''; !line.includes('line 1: \\"nonsense\\"'); line = (await running.line()) ?? '')
            assert.notEqual(line, undefined);
          assert.deepEqual(await seen('any', { count: 4 }), { 3: 4 }, 'the networks stay as they were');
          machine.sh(`ipset create streaming hash:net; ipset add streaming ${SERVER}`);
          await comesTo('voice', '2');
          assert.match(machine.command(['status', 'rules']).stdout, /set=streaming +│ wan2/);
        } finally {
          await running.stop('SIGTERM');
        }
        assert.equal(machine.wanmark('down', undefined, { env: programs }).status, 0);
        assert.equal(machine.sh('ipset list -n').trim(), 'streaming');
      });
    },
  );
}
