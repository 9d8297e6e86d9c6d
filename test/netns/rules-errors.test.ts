/** What the system is not ready for: one line, the right exit code, nothing changed. And rp-filter.sh. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { namespaces, needs } from '../helpers/requires.js';
import { Machine, SCRIPTS, wans } from './rules-harness.js';

describe('a system that is not ready', needs(namespaces), () => {
  let machine: Machine;
  let clean: string;
  const WANMARK_WANS = wans([1, 1]);

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
    clean = machine.snapshot();
  });
  after(() => machine.stop());

  const refused = (env: Record<string, string>, status: number, message: RegExp) => {
    const result = machine.script('up', env);
    assert.equal(result.status, status, result.stderr);
    assert.match(result.stderr, message);
    assert.deepEqual(
      result.stderr.split('\n').filter((line) => !line.startsWith('wanmark: ')),
      [''],
      'only lines of ours',
    );
    assert.equal(machine.snapshot(), clean);
  };

  test('a gateway that is not on the network of its device', () => {
    const cases = [
      'via=192.0.2.1',
      'via=203.0.113.9',
      'via=192.0.1.2',
      'via6=2001:db8:2::1',
      'via6=2001:db8:99::1',
    ];
    for (const via of cases) {
      refused(
        { WANMARK_WANS: `name=a dev=w1 ${via}` },
        2,
        /gateway \S+ is not on the network of w1; see 'ip -[46] addr/m,
      );
    }
  });

  test('a device that is not there, down or without an address is no mistake: it is left out until it comes', () => {
    machine.sh(
      'ip link add idle0 type veth peer name idle1; ip link add bare0 type veth peer name bare1; ip link set bare0 up',
    );
    const before = machine.snapshot();
    try {
      const result = machine.script('up', {
        WANMARK_WANS: `name=a dev=nope0 via=dev mark=1; name=b dev=idle0 via=192.0.2.1 mark=2
          name=c dev=bare0 via=198.51.100.1 mark=3; name=d dev=w1 via=192.0.1.1 mark=4`,
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
      assert.equal(machine.script('refresh', {}).status, 0);
      assert.match(machine.sh('ip route show table 1003'), /^default via 198\.51\.100\.1 dev bare0 /);
      assert.match(machine.sh('ip route show table 1002'), /^unreachable /);
      machine.sh(
        'ip addr del 198.51.100.2/24 dev bare0; ip addr del 192.0.9.2/24 dev idle0; ip link set idle0 down',
      );
      machine.script('down', {});
      assert.equal(machine.snapshot(), before);
    } finally {
      machine.sh('ip link del idle0; ip link del bare0');
    }
  });

  test("a table that holds another's routes", () => {
    machine.sh('ip route add unreachable 10.77.0.0/16 table 1002');
    try {
      const result = machine.script('up', { WANMARK_WANS });
      assert.equal(result.status, 2);
      assert.match(result.stderr, /^wanmark: table 1002 holds another's route .*; set WANMARK_TABLE/m);
    } finally {
      machine.sh('ip route flush table 1002');
    }
  });

  test('no capability', () => {
    const result = machine.attempt(
      `setpriv --bounding-set -net_admin --inh-caps -net_admin sh ${SCRIPTS}wanmark.sh up`,
      {
        WANMARK_WANS,
      },
    );
    assert.equal(result.status, 1, result.stderr);
    assert.match(result.stderr, /^wanmark: needs CAP_NET_ADMIN; run it as root \(sudo\)$/m);
  });

  test('a program that is not installed: its Debian package is named', () => {
    // A PATH with all the scripts use but one; lib.sh adds the system's own directories behind it.
    const bin = mkdtempSync(join(tmpdir(), 'wanmark-bin-'));
    try {
      refused(
        { WANMARK_WANS, IPTABLES: 'no-such-iptables' },
        1,
        /^wanmark: no-such-iptables is not installed; apt-get install iptables$/m,
      );
      for (const name of [
        'sh',
        'awk',
        'sed',
        'grep',
        'tr',
        'dirname',
        'cat',
        'sort',
        'wc',
        'cut',
        'printf',
      ]) {
        symlinkSync(
          machine.sh(`command -v ${name} | grep / || echo /usr/bin/${name}`).trim(),
          join(bin, name),
        );
      }
      const result = machine.attempt(
        `mount -t tmpfs none /usr/local/sbin; PATH=${bin}; unset -f ip
        for file in ${SCRIPTS}*.sh; do cat $file > ${bin}/\${file##*/}; done
        sed 's|^PATH=.*||' ${SCRIPTS}lib.sh > ${bin}/lib.sh
        sh ${bin}/wanmark.sh up`,
        { WANMARK_WANS },
      );
      assert.equal(result.status, 1, result.stderr);
      assert.match(result.stderr, /^wanmark: ip is not installed; apt-get install iproute2$/m);
    } finally {
      rmSync(bin, { recursive: true });
    }
  });

  test('forwarding that is off is a warning, and stays off', () => {
    machine.sh('echo 0 > /proc/sys/net/ipv4/ip_forward');
    const { status, stderr } = machine.script('up', { WANMARK_WANS });
    assert.equal(status, 0);
    assert.match(stderr, /^wanmark: warning: net.ipv4.ip_forward is 0, .*sysctl -w net.ipv4.ip_forward=1$/m);
    assert.equal(machine.sh('cat /proc/sys/net/ipv4/ip_forward'), '0\n');
    machine.script('down', {});
    machine.sh(
      'for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 1 > $file; done; echo 1 > /proc/sys/net/ipv4/ip_forward',
    );
  });

  test('rp-filter sets every device, says what it changed, and is quiet the second time', () => {
    const values = () => machine.sh('cat /proc/sys/net/ipv4/conf/*/rp_filter').split('\n').filter(Boolean);
    const first = machine.script('2', {}, { file: 'rp-filter.sh' });
    assert.equal(first.status, 0, first.stderr);
    assert.match(first.stdout, /^w1: 1 -> 2$/m);
    assert.match(first.stdout, /^default: 1 -> 2$/m);
    assert.deepEqual(new Set(values()), new Set(['2']));
    assert.equal(machine.script('2', {}, { file: 'rp-filter.sh' }).stdout, '');
    assert.equal(
      machine.script('1', {}, { file: 'rp-filter.sh' }).stdout.split('\n').length - 1,
      values().length,
    );
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
        `#!/bin/sh\niptables-restore "$@" || exit\ncase $* in *--test*) ;; *) iptables -t mangle -F WANMARK_SAVE ;; esac\n`,
        { mode: 0o755 },
      );
      const env = { WANMARK_WANS };
      assert.equal(machine.script('up', env).status, 0);
      const whole = machine.snapshot();
      machine.sh('iptables -t mangle -F WANMARK_SAVE');
      assert.equal(machine.script('refresh', { ...env, IPTABLES: join(directory, 'iptables') }).status, 0);
      assert.notEqual(machine.snapshot(), whole, 'the rival was the last');
      const check = machine.script('check', env);
      assert.equal(check.status, 1, check.stderr);
      assert.match(check.stderr, /^wanmark: missing: iptables mangle: rules of WANMARK_SAVE$/m);
      assert.equal(machine.script('refresh', env).status, 0);
      assert.equal(machine.snapshot(), whole);
    } finally {
      machine.script('down', {});
      rmSync(directory, { recursive: true, force: true });
    }
    assert.equal(machine.snapshot(), clean);
  });

  test('what is missing stays so with WANMARK_REPAIR=0, but for what went with a device', () => {
    const env = { WANMARK_WANS };
    const unrepaired = { ...env, WANMARK_REPAIR: '0' };
    assert.equal(machine.script('up', env).status, 0);
    const whole = machine.snapshot();

    machine.sh('iptables -t mangle -F WANMARK_SAVE; ip route flush table 1002');
    const flushed = machine.snapshot();
    const stopped = machine.script('refresh', { ...unrepaired, WANMARK_DOWN: 'wan1', WANMARK_TOUCHED: 'w2' });
    assert.equal(stopped.status, 1, stopped.stderr);
    assert.deepEqual(stopped.stderr.match(/missing: .*/g), [
      'missing: iptables mangle: rules of WANMARK_SAVE',
    ]);
    assert.equal(machine.snapshot(), flushed, 'nor is anything else done meanwhile');
    assert.equal(machine.script('up', unrepaired).status, 0, '`up` is no repair');
    assert.equal(machine.snapshot(), whole);

    machine.sh('ip route flush table 1002');
    assert.match(machine.script('refresh', unrepaired).stderr, /missing: ip -4 route .* table 1002/);
    const followed = machine.script('refresh', { ...unrepaired, WANMARK_TOUCHED: 'lan w2' });
    assert.equal(followed.status, 0, followed.stderr);
    assert.doesNotMatch(followed.stderr, /missing/);
    assert.equal(machine.snapshot(), whole);
    assert.equal(machine.script('down', {}).status, 0);
    assert.equal(machine.snapshot(), clean);
  });
});
