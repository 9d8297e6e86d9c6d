/** Somebody removes rules that `up` installed while the daemon runs. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { Host } from '#wanmark/lab/host.js';
import type { Lab } from '#wanmark/lab/lab.js';
import { type Daemon, wanArguments } from '#wanmark/lab/wanmark.js';
import { withLab } from '../helpers/lab.js';
import { MAIN } from '../helpers/main.js';
import { markOf } from '../helpers/marks.js';
import { addon, iptablesLegacy, needs, nfqueue } from '../helpers/requires.js';
import { eventually } from '../helpers/router-state.js';
import { tally } from '../helpers/traffic.js';

/**
 * The promise is two seconds, and the tests print the time it took. An emulated machine is 50 times slower. The limit is
 * below 300 s, after which the sweep would put back even what went unnoticed.
 */
const TIMEOUT_MS = 120_000;
const flushed = (table: string) => `printf '*${table}\\nCOMMIT\\n'`;

/** Commands that remove rules, and what the daemon has to log of each, for `iptables` or another program. */
const removals = (iptables: string): [does: string, says: RegExp][] => [
  [
    `${iptables} -t mangle -F`,
    /ip6?tables[a-z-]* mangle: jump from PREROUTING to WANMARK, .*rules of WANMARK_SAVE/,
  ],
  [`${iptables} -t nat -F`, /ip6?tables[a-z-]* nat: jump from PREROUTING to WANMARK, .*rules of WANMARK_NAT/],
  [`{ ${flushed('mangle')}; ${flushed('nat')}; } | ${iptables}-restore`, /nat: all of it/],
  [
    `${iptables} -t mangle -D PREROUTING -m comment --comment wanmark -j WANMARK`,
    /mangle: jump from PREROUTING to WANMARK$/,
  ],
  [`${iptables} -t mangle -F WANMARK_SAVE`, /mangle: rules of WANMARK_SAVE$/],
];

const ROUTING_REMOVALS: [does: string, says: RegExp][] = [
  ['ip rule del priority 20000', /^ip -4 rule priority 20000 lookup main suppress_prefixlength 0$/],
  [
    'ip -6 rule flush; ip -6 rule add lookup main priority 32766',
    new RegExp(`^ip -6 rule priority 20001 fwmark ${markOf(2)} lookup 1002$`),
  ],
  ['ip route flush table 1002; ip -6 route flush table 1001', /^ip -6 route default via .* table 1001$/],
  ['echo 0 > /proc/sys/net/ipv4/conf/wan2/src_valid_mark', /^sysctl src_valid_mark of wan2$/],
];

/** All that `up` makes, as the kernel lists it, without counters and names of programs. */
async function installed(router: Host, iptables = 'iptables'): Promise<string> {
  const six = iptables.replace('iptables', 'ip6tables');
  const { stdout } = await router.sh(`
    for table in mangle nat; do ${iptables}-save -t $table; ${six}-save -t $table; done | sed '/^-A/!d'
    for family in 4 6; do
      # Those of one priority do not depend on each other.
      ip -$family rule | sed /lookup.local/d | sort
      ip -$family route show table all proto 119
    done
    cat /proc/sys/net/ipv4/conf/wan*/src_valid_mark`);
  // IPv6 has no default rule for table 253; the priority of main is 32766 in both families.
  return stdout;
}

/** Runs `wanmark up` with variables such as `IPTABLES=...`. */
async function upWith(lab: Lab, ...environment: string[]): Promise<void> {
  await lab.router.exec(['env', ...environment, process.execPath, MAIN, 'up', ...wanArguments(lab.wans)]);
}

const repairs = (daemon: Daemon) =>
  daemon.program.lines.filter((line) => line.includes('put back')).map((line) => JSON.parse(line) as Repair);

interface Repair {
  readonly msg: string;
  readonly missing: readonly string[];
}

/** Removes rules and waits until the daemon has logged it and put them back. @returns milliseconds until the log line */
async function removeAndSee(
  lab: Lab,
  daemon: Daemon,
  [does, says]: [string, RegExp],
  iptables?: string,
): Promise<number> {
  const before = await installed(lab.router, iptables);
  const said = repairs(daemon).length;
  await lab.router.sh(does);
  const start = performance.now();
  const repair = await daemon.program.until(() => repairs(daemon)[said], `the repair of ${does}`, TIMEOUT_MS);
  const ms = performance.now() - start;
  assert.ok(
    repair.missing.some((line) => says.test(line)),
    `${does}: ${repair.missing.join('\n')}`,
  );
  assert.equal(await installed(lab.router, iptables), before, does);
  return ms;
}

describe('what somebody removes while the daemon runs', needs(nfqueue, addon), () => {
  it('is noticed, logged in one line, and put back: rules, ip rules, routes, sysctls', async (t) => {
    await withLab({ wans: 3, up: [], run: [] }, async ({ lab, daemon }) => {
      const all = [...removals('iptables'), ...removals('ip6tables').slice(0, 2), ...ROUTING_REMOVALS];
      for (const removal of all) {
        const ms = await removeAndSee(lab, daemon, removal);
        t.diagnostic(`${removal[0]}: said after ${Math.round(ms)} ms`);
      }
      for (const family of [4, 6] as const) {
        assert.deepEqual(tally(await lab.connect({ count: 9, family })), { wan1: 3, wan2: 3, wan3: 3 });
      }
      assert.equal(repairs(daemon).length, 11, 'one line for each, and none for our own changes');
      await daemon.stop();
    });
  });

  it('is put back in the tables of iptables-legacy, too', needs(iptablesLegacy), async () => {
    await withLab({ wans: 2, ipv6: false }, async ({ lab, wanmark }) => {
      await upWith(lab, 'IPTABLES=iptables-legacy', 'IP6TABLES=ip6tables-legacy');
      const daemon = await wanmark.run();
      for (const removal of removals('iptables-legacy').slice(0, 3)) {
        await removeAndSee(lab, daemon, removal, 'iptables-legacy');
      }
      assert.deepEqual(tally(await lab.connect({ count: 4 })), { wan1: 2, wan2: 2 });
      await daemon.stop();
    });
  });

  it('is only logged with --no-repair, once', async () => {
    await withLab(
      { wans: 2, ipv6: false, up: [], run: ['--no-repair'] },
      async ({ lab, wanmark, daemon }) => {
        const before = await installed(lab.router);
        await lab.router.sh('iptables -t mangle -F WANMARK_SAVE');
        const missing = (line: string) => line.includes('rules are missing; wanmark up puts them back');
        const line = await daemon.program.waitForLine(missing, TIMEOUT_MS);
        assert.deepEqual((JSON.parse(line) as Repair).missing, ['iptables mangle: rules of WANMARK_SAVE']);
        // This causes a second look, whose line must have only the new loss.
        await lab.router.sh('iptables -t mangle -F WANMARK_COUNT');
        await daemon.program.until(
          () => daemon.program.lines.filter(missing).length === 2 || undefined,
          'the second line',
          TIMEOUT_MS,
        );
        assert.notEqual(await installed(lab.router), before, 'nothing is put back');
        await wanmark.up();
        await daemon.program.waitForLine(/no rule is missing any more/, TIMEOUT_MS);
        assert.equal(await installed(lab.router), before);
        assert.deepEqual(repairs(daemon), []);
        await daemon.stop();
        assert.equal(daemon.program.lines.filter(missing).length, 2);
      },
    );
  });

  it('is not put back with --no-repair either when it is removed during the daemon’s look', async (t) => {
    const options = { wans: 2, ipv6: false };
    await withLab(options, async ({ lab, wanmark }) => {
      const directory = mkdtempSync('/tmp/wanmark-iptables-');
      t.after(() => rmSync(directory, { recursive: true }));
      const program = (name: string, text: string) =>
        writeFileSync(`${directory}/${name}`, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
      program('iptables', 'exec iptables "$@"');
      program('iptables-restore', 'exec iptables-restore "$@"');
      // The rules are removed right after they were read.
      program(
        'iptables-save',
        `iptables-save "$@" && rm ${directory}/armed 2>/dev/null && iptables -t mangle -F WANMARK_SAVE\nexit 0`,
      );
      await upWith(lab, `IPTABLES=${directory}/iptables`);
      const daemon = await wanmark.run('--no-repair');
      writeFileSync(`${directory}/armed`, '');
      await lab.router.sh('iptables -t mangle -N OTHER');
      const says = (line: string) => /rules (are|were) missing/.test(line);
      const line = await daemon.program.waitForLine(says, TIMEOUT_MS);
      assert.match(line, /rules are missing; wanmark up puts them back/);
      assert.deepEqual(await lab.router.counters('mangle', 'WANMARK_SAVE'), []);
      await daemon.stop();
      assert.deepEqual(repairs(daemon), []);
    });
  });

  it('stays away after `down`, and where there never was an `up`', async () => {
    await withLab({ wans: 2, ipv6: false, up: [], run: [] }, async ({ lab, wanmark, daemon }) => {
      await wanmark.down();
      const empty = await installed(lab.router);
      assert.doesNotMatch(empty, /WANMARK|119/);
      // A foreign change makes the daemon look, and a connection makes it work. The connection is not answered, since
      // without `up` nothing translates its address.
      const connections = { count: 20, timeoutMs: 1000 };
      await lab.router.sh(
        'iptables -t mangle -N OTHER; ip rule add priority 7 lookup 77; ip rule del priority 7',
      );
      await lab.connect(connections);
      await daemon.stop();
      assert.equal(await installed(lab.router), empty);
      const second = await wanmark.run();
      await lab.router.sh('iptables -t mangle -X OTHER');
      await lab.connect(connections);
      await second.stop();
      assert.equal(await installed(lab.router), empty);
      for (const { program } of [daemon, second]) {
        assert.deepEqual(
          program.lines.filter((line) => /put back|missing|follow/.test(line)),
          [],
        );
      }
    });
  });

  it('and cannot be put back is logged and tried again, but not more than once a second', async () => {
    await withLab({ wans: 2, ipv6: false, up: [], run: [] }, async ({ lab, daemon }) => {
      const before = await installed(lab.router);
      // Changed under the executor's lock, since a running refresh would write back what it has read.
      const rename = (from: string, to: string) =>
        `flock /run/wanmark/lock sed -i 's/"4":"${from}"/"4":"${to}"/' /run/wanmark/state/plan.json`;
      await lab.router.sh(`${rename('iptables', 'no-such-program')}; iptables -t mangle -F WANMARK_SAVE`);
      const line = await daemon.program.waitForLine(/next try in 5 s/, TIMEOUT_MS);
      assert.match((JSON.parse(line) as { said: string[] }).said[0]!, /no-such-program/);
      await lab.router.sh(rename('no-such-program', 'iptables'));
      await daemon.program.until(() => repairs(daemon)[0], 'the repair', TIMEOUT_MS);
      assert.equal(await installed(lab.router), before);
      assert.equal(daemon.program.lines.filter((each) => each.includes('next try in')).length, 1);

      // Now somebody removes rules ten times a second.
      const start = performance.now();
      const enemy = lab.router.spawn([
        'sh',
        '-c',
        'while :; do iptables -t mangle -F WANMARK_SAVE 2>/dev/null; sleep 0.1; done',
      ]);
      await daemon.program.until(() => repairs(daemon)[2], 'two more repairs', TIMEOUT_MS);
      const seconds = (performance.now() - start) / 1000;
      const count = repairs(daemon).length - 1;
      assert.ok(count <= seconds + 1, `${count} in ${seconds} s`);
      await enemy.kill('SIGKILL');
      await enemy.exited;
      await eventually(
        () => lab.router.counters('mangle', 'WANMARK_SAVE'),
        (rules) => rules.length > 0,
        'the rules, when nobody removes them any more',
        TIMEOUT_MS,
      );
      await daemon.stop();
    });
  });
});
