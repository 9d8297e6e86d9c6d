/**
 * Systems that are not ready: each gets one line and the right exit code, and nothing is changed. Also rp-filter.sh.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { RawConfig } from '#wanmark/config/options.js';
import { installApplets } from '../helpers/applets.js';
import { namespaces, needs, program } from '../helpers/requires.js';
import { type Env, Machine, SCRIPTS, wans } from './rules-harness.js';

describe('on a system that is not ready', needs(namespaces), () => {
  let machine: Machine;
  let clean: string;
  const config = { wan: wans([1, 1]) };

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
    clean = machine.snapshot();
  });
  after(() => machine.stop());

  const refused = (given: RawConfig, status: number, message: RegExp, env: Env = {}) => {
    const result = machine.wanmark('up', given, { env });
    assert.equal(result.status, status, result.stderr);
    assert.match(result.stderr, message);
    assert.deepEqual(
      result.stderr.split('\n').filter((line) => !line.startsWith('wanmark: ')),
      [''],
      'only lines of ours',
    );
    assert.equal(machine.snapshot(), clean);
  };

  test('a gateway that is not on the network of its device leaves its WAN out, and the others work', () => {
    // Without IPv6, since the kernel adds its routes of it some time after the link is up.
    machine.sh(`
      ip link add far0 type veth peer name far1
      for dev in far0 far1; do echo 1 > /proc/sys/net/ipv6/conf/$dev/disable_ipv6; ip link set $dev up; done`);
    machine.sh(
      'ip addr add 198.51.100.7/32 dev far0; ip route add default via 192.0.2.200 dev far0 onlink metric 9',
    );
    const before = machine.snapshot();
    const out = (via: string) =>
      new RegExp(`^wanmark: WAN a: gateway ${via} is not on the network of w1; .* route is left out$`, 'm');
    for (const [key, via] of [
      ['via', '192.0.2.1'],
      ['via', '203.0.113.9'],
      ['via', '192.0.1.2'],
      ['via6', '2001:db8:2::1'],
    ] as const) {
      const result = machine.wanmark('up', {
        wan: [`a,dev=w1,${key}=${via}`, 'b,dev=w2,via=192.0.2.1,via6=2001:db8:2::1'],
      });
      assert.equal(result.status, 0, result.stderr);
      assert.match(result.stderr, out(via));
      const family = key === 'via' ? 4 : 6;
      assert.match(machine.sh(`ip -${family} route show table 1001`), /^unreachable default/);
      assert.match(machine.sh(`ip -${family} route show table 1002`), /^default via/);
    }
    // It heals when the address is right.
    machine.wanmark('up', { wan: ['a,dev=w1,via=192.0.9.1', 'b,dev=w2,via=192.0.2.1'] });
    machine.sh('ip addr add 192.0.9.2/24 dev w1');
    assert.equal(machine.wanmark('refresh').status, 0);
    assert.match(machine.sh('ip route show table 1001'), /^default via 192\.0\.9\.1 dev w1/);
    machine.sh('ip addr del 192.0.9.2/24 dev w1');
    // The main table itself has such a gateway.
    assert.equal(
      machine.wanmark('up', { wan: ['a,dev=far0,via=192.0.2.200'] }).stderr.includes('left out'),
      false,
    );
    assert.match(machine.sh('ip route show table 1001'), /^default via 192\.0\.2\.200 dev far0 .*onlink/);
    machine.wanmark('down');
    assert.equal(machine.snapshot(), before);
    machine.sh('ip link del far0');
  });

  test('a WAN on Ethernet without a gateway is refused', () => {
    refused(
      { wan: ['a,dev=w1', 'b,dev=w2,via=192.0.2.1'] },
      2,
      /^wanmark: \S+config.json:1:9: WAN a: w1 is an Ethernet device, /,
    );
  });

  test('a device that is not there, down or without an address is not a mistake: its WAN is left out until it comes', () => {
    machine.sh(
      'ip link add idle0 type veth peer name idle1; ip link add bare0 type veth peer name bare1; ip link set bare0 up',
    );
    const before = machine.snapshot();
    try {
      const result = machine.wanmark('up', {
        wan: [
          'a,dev=nope0,via=dev',
          'b,dev=idle0,via=192.0.2.1',
          'c,dev=bare0,via=198.51.100.1',
          'd,dev=w1,via=192.0.1.1',
        ],
      });
      assert.equal(result.status, 0, result.stderr);
      assert.match(
        result.stderr,
        /^wanmark: WAN a: there is no device nope0; see 'ip link'; its IPv4 route is left out$/m,
      );
      assert.match(
        result.stderr,
        /^wanmark: WAN b: idle0 is down; ip link set idle0 up; its IPv4 route is left out$/m,
      );
      assert.match(
        result.stderr,
        /^wanmark: WAN c: gateway 198.51.100.1 is not on the network of bare0; .* left out$/m,
      );
      const hops = [1, 2, 3, 4].map((k) => machine.sh(`ip route show table 100${k}`).split(' ')[0]);
      assert.deepEqual(hops, ['unreachable', 'unreachable', 'unreachable', 'default']);
      machine.sh(
        'ip addr add 198.51.100.2/24 dev bare0; ip link set idle0 up; ip addr add 192.0.9.2/24 dev idle0',
      );
      assert.equal(machine.wanmark('refresh').status, 0);
      assert.match(machine.sh('ip route show table 1003'), /^default via 198\.51\.100\.1 dev bare0 /);
      assert.match(machine.sh('ip route show table 1002'), /^unreachable /);
      machine.sh(
        'ip addr del 198.51.100.2/24 dev bare0; ip addr del 192.0.9.2/24 dev idle0; ip link set idle0 down',
      );
      machine.wanmark('down');
      assert.equal(machine.snapshot(), before);
    } finally {
      machine.sh('ip link del idle0; ip link del bare0');
    }
  });

  test("a table that holds another's routes is refused", () => {
    machine.sh('ip route add unreachable 10.77.0.0/16 table 1002');
    try {
      const result = machine.wanmark('up', config);
      assert.equal(result.status, 2);
      assert.match(
        result.stderr,
        /^wanmark: table 1002 holds another's route .*; use --table N with a free range$/m,
      );
    } finally {
      machine.sh('ip route flush table 1002');
    }
  });

  test('without the capability each verb says so, and does nothing', () => {
    const before = 'setpriv --bounding-set -net_admin --inh-caps -net_admin';
    // A user who cannot create the folder for the state either is told of the capability, which is what is missing.
    const env = { WANMARK_RUN: '/proc/none' };
    for (const verb of ['up', 'refresh', 'check', 'down'] as const) {
      const { status, stderr } = machine.wanmark(verb, verb === 'up' ? config : undefined, { before, env });
      assert.deepEqual([status, stderr], [1, 'wanmark: needs CAP_NET_ADMIN; run it as root (sudo)\n'], verb);
    }
    const hand = machine.attempt(`${before} sh ${SCRIPTS}wanmark.sh down`);
    assert.equal(hand.status, 1);
    assert.match(
      hand.stdout,
      /^\{"event":"failed","said":"needs CAP_NET_ADMIN; run it as root \(sudo\)"\}$/m,
    );
  });

  test('a program that is not installed is named with its Debian package', () => {
    refused(
      config,
      1,
      /^wanmark: no-such-iptables is not installed; apt-get install iptables, or use --backend nft$/m,
      {
        IPTABLES: 'no-such-iptables',
      },
    );
    // A mount namespace of its own hides the program; a file that cannot be run does not count.
    const before = `unshare -m sh -c 'mount --bind /dev/null "$(readlink -f "$(command -v ip)")" && exec "$@"' sh`;
    for (const [verb, message] of [
      ['up', /^wanmark: ip is missing; install it \(Debian: apt-get install iproute2\)\n$/],
      ['down', /^wanmark: ip is not installed; apt-get install iproute2\n$/],
    ] as const) {
      const result = machine.wanmark(verb, verb === 'up' ? config : undefined, { before });
      assert.equal(result.status, 1, result.stderr);
      assert.match(result.stderr, message);
    }
  });

  // A container often has /proc/sys read-only. It is bound upon itself in a mount namespace of its own.
  const mounted = (script: string) => `unshare -m sh -c '${script} && exec "$@"' sh`;

  test('a setting that cannot be written is an error where it is needed, and nothing where it is not', () => {
    const before = mounted('mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys');
    const files = ['all', 'w1', 'w2'].map((device) => `/proc/sys/net/ipv4/conf/${device}/rp_filter`);
    const filter = (mode: number) => machine.sh(files.map((file) => `echo ${mode} > ${file}`).join('\n'));
    const modes = machine
      .sh(`grep -H . ${files.join(' ')}`)
      .trim()
      .split('\n');
    try {
      for (const mode of [0, 2]) {
        filter(mode);
        const had = machine.snapshot();
        const { status, stderr } = machine.wanmark('up', config, { before });
        assert.equal(status, 0, stderr);
        assert.equal(machine.wanmark('down', undefined, { before }).status, 0);
        assert.equal(machine.snapshot(), had);
      }
      filter(1);
      const had = machine.snapshot();
      const { status, stderr } = machine.wanmark('up', config, { before });
      assert.equal(status, 1, stderr);
      assert.match(stderr, /^wanmark: [^\n]*src_valid_mark[^\n]*$/m);
      assert.equal(machine.snapshot(), had);
    } finally {
      machine.sh(modes.map((line) => line.replace(/^(.*):(.*)$/, 'echo $2 > $1')).join('\n'));
    }
  });

  test('a kernel without IPv6 is named where a WAN is to carry it', () => {
    const before = mounted(`mkdir /run/net && mount --rbind /proc/sys/net /run/net &&
      mount -t tmpfs none /proc/sys/net && cd /run/net &&
      for part in *; do [ $part = ipv6 ] || { mkdir /proc/sys/net/$part; mount --bind $part /proc/sys/net/$part; }; done`);
    try {
      const { status, stderr } = machine.wanmark('up', config, { before });
      assert.equal(status, 2, stderr);
      assert.match(
        stderr,
        /^wanmark: \S+config.json:1:9: this kernel runs without IPv6 [^\n]*; leave out via6[^\n]*\n$/,
      );
      assert.equal(machine.snapshot(), clean);
    } finally {
      machine.sh('rmdir /run/net');
    }
  });

  test('nobody but root can take the lock, and so hold everything up', () => {
    assert.equal(machine.wanmark('up', config).status, 0);
    assert.match(machine.sh('stat -c "%a %U" /run/wanmark/lock'), /^600 root$/m);
    const nobody = 'setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all --inh-caps=-all';
    assert.notEqual(machine.attempt(`${nobody} flock -n /run/wanmark/lock true`).status, 0);
    // As an earlier version left it.
    machine.sh('chmod 644 /run/wanmark/lock');
    assert.equal(machine.wanmark('down').status, 0);
    assert.match(machine.sh('stat -c %a /run/wanmark/lock 2>/dev/null || echo gone'), /^(600|gone)$/m);
    assert.equal(machine.snapshot(), clean);
  });

  test(
    "busybox's ip and flock: the first does not suffice, the second does",
    needs(program('busybox')),
    async () => {
      const directory = mkdtempSync(join(tmpdir(), 'wanmark-test-'));
      const env = { PATH: `${directory}:${process.env.PATH}` };
      const add = (name: string, script: string) =>
        writeFileSync(join(directory, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      try {
        add('ip', 'exec busybox ip "$@"');
        refused(
          config,
          1,
          /^wanmark: ip is not the one of iproute2, .*; install it \(Debian: .*iproute2\)$/m,
          env,
        );
        const down = machine.wanmark('down', undefined, { env });
        assert.match(down.stderr, /^wanmark: ip is not the one of iproute2, .*; apt-get install iproute2\n$/);
        rmSync(join(directory, 'ip'));
        // The applet of busybox 1.37, which Debian's busybox lacks: it has no -w.
        add(
          'flock',
          `case $1 in -[sxun]) ;; *) echo "flock: unrecognized option: w" >&2; exit 1 ;; esac
        PATH=\${PATH#*:} exec flock "$@"`,
        );
        const holder = machine.hold('exec 9>/run/wanmark/lock; flock 9; echo held');
        assert.equal(await holder.line(), 'held');
        const busy = { env: { ...env, WANMARK_LOCK_SECONDS: '1' } };
        assert.match(machine.wanmark('up', config, busy).stderr, /another wanmark script holds/);
        await holder.end();
        assert.equal(machine.wanmark('up', config, { env }).status, 0);
        assert.equal(machine.wanmark('down', undefined, { env }).status, 0);
        assert.equal(machine.snapshot(), clean);
      } finally {
        rmSync(directory, { recursive: true });
      }
    },
  );

  test(
    'the executor needs no program but applets of busybox, ip, iptables and flock',
    needs(program('busybox')),
    () => {
      const applets = mkdtempSync(join(tmpdir(), 'wanmark-test-'));
      try {
        installApplets(applets);
        assert.equal(machine.wanmark('up', config).status, 0);
        const wanted = machine.snapshot();
        machine.sh(`mkdir /run/plan && cp -r /run/wanmark/state/have /run/plan/want
        cp /run/wanmark/state/settings /run/plan/want/; printf '%s\\n' iptables ip6tables nft >/run/plan/programs`);
        const byHand = (verb: string, plan = '') => {
          const folder = plan && `rm -rf /run/carried && cp -r ${plan} /run/carried && `;
          const argv = `sh ${SCRIPTS}/wanmark.sh ${verb} ${plan && '/run/carried'}`;
          const { status, stdout, stderr } = machine.attempt(`${folder} PATH=${applets} ${argv}`);
          assert.deepEqual([status, stderr], [0, ''], stdout);
        };
        byHand('down');
        assert.equal(machine.snapshot(), clean);
        byHand('up', '/run/plan');
        assert.equal(machine.snapshot(), wanted);
        byHand('check', '/run/plan');
        byHand('refresh', '/run/plan');
        assert.equal(machine.snapshot(), wanted);
        byHand('down');
        assert.equal(machine.snapshot(), clean);
      } finally {
        rmSync(applets, { recursive: true });
      }
    },
  );

  test('forwarding that is off is a warning, and stays off', () => {
    machine.sh('echo 0 > /proc/sys/net/ipv4/ip_forward');
    const { status, stderr } = machine.wanmark('up', config);
    assert.equal(status, 0);
    assert.match(stderr, /^wanmark: warning: net.ipv4.ip_forward is 0, .*sysctl -w net.ipv4.ip_forward=1$/m);
    assert.equal(machine.sh('cat /proc/sys/net/ipv4/ip_forward'), '0\n');
    machine.wanmark('down');
    machine.sh(
      'for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 1 > $file; done; echo 1 > /proc/sys/net/ipv4/ip_forward',
    );
  });

  test('rp-filter sets every device, says what it changed, and is quiet the second time', () => {
    const rpFilter = (mode: number) => machine.attempt(`sh ${SCRIPTS}rp-filter.sh ${mode}`);
    const values = () => machine.sh('cat /proc/sys/net/ipv4/conf/*/rp_filter').split('\n').filter(Boolean);
    const first = rpFilter(2);
    assert.equal(first.status, 0, first.stderr);
    assert.match(first.stdout, /^w1: 1 -> 2$/m);
    assert.match(first.stdout, /^default: 1 -> 2$/m);
    assert.deepEqual(new Set(values()), new Set(['2']));
    assert.equal(rpFilter(2).stdout, '');
    assert.equal(rpFilter(1).stdout.split('\n').length - 1, values().length);
  });

  test('rules that cannot be read are not taken for none', () => {
    const directory = mkdtempSync(join(tmpdir(), 'wanmark-test-'));
    const env = { PATH: `${directory}:${process.env.PATH}` };
    const breakWith = (script: string) =>
      writeFileSync(join(directory, 'ip6tables-save'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    try {
      // The words of iptables 1.8 where another program has put a rule of nft's own into the table.
      breakWith(
        `PATH=\${PATH#*:} ip6tables-save; echo "# Table \\\`mangle' is incompatible, use 'nft' tool."`,
      );
      refused(
        config,
        1,
        /^wanmark: 'ip6tables-save' failed: table mangle has rules .* only nft shows; /m,
        env,
      );
      breakWith(`PATH=\${PATH#*:}; printf '*nat\\n:PREROUTING ACCEPT [0:0]\\n'`);
      refused(config, 1, /^wanmark: 'ip6tables-save' failed: its output ends within table nat$/m, env);
      breakWith('echo "# Generated by ip6tables-save v1.8.9"');
      refused(config, 1, /^wanmark: 'ip6tables-save' failed: its output ends before a table$/m, env);
      breakWith('echo Usage: busybox');
      refused(config, 1, /failed: its output is not a list of rules: Usage: busybox$/m, env);
      breakWith('exit 3');
      refused(config, 1, /^wanmark: 'ip6tables-save' failed: exit code 3$/m, env);
      breakWith('echo injected >&2; exit 1');
      refused(config, 1, /^wanmark: 'ip6tables-save' failed: injected$/m, env);
      for (const [asked, message] of [
        ['-6 rule show', /^wanmark: 'ip -N -6 rule show' failed: injected$/m],
        ['-4 route show table all', /^wanmark: 'ip -N -4 route show table all proto 119' failed: injected$/m],
      ] as const) {
        const other = mkdtempSync(join(tmpdir(), 'wanmark-test-'));
        writeFileSync(
          join(other, 'ip'),
          `#!/bin/sh\ncase "$*" in *'${asked}'*) echo injected >&2; exit 2 ;; esac\nPATH=\${PATH#*:}; exec ip "$@"\n`,
          { mode: 0o755 },
        );
        refused(config, 1, message, { PATH: `${other}:${process.env.PATH}` });
        rmSync(other, { recursive: true });
      }
      assert.equal(machine.wanmark('up', config).status, 0);
      const whole = machine.snapshot();
      for (const verb of ['up', 'refresh', 'check'] as const) {
        const result = machine.wanmark(verb, verb === 'up' ? config : undefined, { env });
        assert.equal(result.status, 1, `${verb}: ${result.stderr}`);
        assert.equal(machine.snapshot(), whole, verb);
      }
      const down = machine.wanmark('down', undefined, { env });
      assert.equal(down.status, 1, down.stderr);
      assert.match(machine.sh('ip6tables-save'), /WANMARK/);
      assert.equal(machine.wanmark('down').status, 0);
      assert.equal(machine.snapshot(), clean, 'the next down still knows what there was');
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  test('down removes our part also from a table that only nft shows', needs(program('nft')), () => {
    assert.equal(machine.wanmark('up', config).status, 0);
    machine.sh('nft add rule ip mangle PREROUTING ct state established meta mark set ct mark and 0x00ff0000');
    const refresh = machine.wanmark('refresh');
    assert.equal(refresh.status, 1);
    assert.match(refresh.stderr, /table mangle has rules of another program that only nft shows/);
    const down = machine.wanmark('down');
    assert.equal(down.status, 0, down.stderr);
    const left = machine.sh('nft list ruleset; ip rule; ip -6 rule');
    assert.doesNotMatch(left, /WANMARK|proto 119/);
    assert.match(left, /meta mark set ct mark & 0x00ff0000/);
    machine.sh('nft delete table ip mangle');
    assert.equal(machine.snapshot(), clean);
  });

  test('rules that another program flushes right behind our restore are missed, and put back', () => {
    const directory = mkdtempSync(join(tmpdir(), 'wanmark-test-'));
    try {
      for (const tool of ['iptables', 'iptables-save']) {
        symlinkSync(machine.sh(`command -v ${tool}`).trim(), join(directory, tool));
      }
      const rival = join(directory, 'iptables-restore');
      writeFileSync(
        rival,
        `#!/bin/sh\nPATH=\${PATH#*:}\niptables-restore "$@" || exit\ncase $* in *--test*) ;; *) iptables -t mangle -F WANMARK_SAVE ;; esac\n`,
        { mode: 0o755 },
      );
      assert.equal(machine.wanmark('up', config).status, 0);
      const whole = machine.snapshot();
      machine.sh('iptables -t mangle -F WANMARK_SAVE');
      assert.equal(machine.refresh({}, { PATH: `${directory}:${process.env.PATH}` }).status, 0);
      assert.notEqual(machine.snapshot(), whole, 'the rival was the last');
      const check = machine.wanmark('check');
      assert.equal(check.status, 1, check.stderr);
      assert.match(check.stderr, /^wanmark: missing: iptables mangle: rules of WANMARK_SAVE$/m);
      assert.equal(machine.wanmark('refresh').status, 0);
      assert.equal(machine.snapshot(), whole);
    } finally {
      machine.wanmark('down');
      rmSync(directory, { recursive: true, force: true });
    }
    assert.equal(machine.snapshot(), clean);
  });

  test('missing parts stay missing without repair, except for those that went with a device', () => {
    assert.equal(machine.wanmark('up', config).status, 0);
    const whole = machine.snapshot();

    machine.sh('iptables -t mangle -F WANMARK_SAVE; ip route flush table 1002');
    const flushed = machine.snapshot();
    const stopped = machine.refresh({ repair: false, down: 'wan1', touched: ['w2'] });
    assert.equal(stopped.status, 1, stopped.stderr);
    assert.deepEqual(stopped.stderr.match(/missing: .*/g), [
      'missing: iptables mangle: rules of WANMARK_SAVE',
    ]);
    assert.equal(machine.snapshot(), flushed, 'nor is anything else done meanwhile');
    assert.equal(machine.wanmark('up', config).status, 0, '`up` is no repair');
    assert.equal(machine.snapshot(), whole);

    machine.sh('ip route flush table 1002');
    assert.match(machine.refresh({ repair: false }).stderr, /missing: ip -4 route .* table 1002/);
    const followed = machine.refresh({ repair: false, touched: ['lan', 'w2'] });
    assert.equal(followed.status, 0, followed.stderr);
    assert.doesNotMatch(followed.stderr, /missing/);
    assert.equal(machine.snapshot(), whole);
    assert.equal(machine.wanmark('down').status, 0);
    assert.equal(machine.snapshot(), clean);
  });
});
