/** An installation is one network namespace, and a network namespace has one installation. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { RawConfig } from '#wanmark/config/options.js';
import { addon, namespaces, needs } from '../helpers/requires.js';
import { type How, Machine, wans } from './rules-harness.js';

const SECOND = { wan: ['x1,dev=eth1,via=10.1.0.1', 'x2,dev=eth2,via=10.2.0.1'] };
/** Another namespace of the machine, whose /run is the same. */
const THERE = { before: 'ip netns exec second' };
const ELSEWHERE = { env: { WANMARK_RUN: '/run/else where' } };

describe('an installation', needs(namespaces, addon), () => {
  let machine: Machine;
  const first = { wan: wans([1, 1, 1]) };

  const ok = (verb: string, given?: RawConfig, how?: How) => {
    const { status, stderr } = machine.wanmark(verb, given, how);
    assert.equal(status, 0, stderr);
    return stderr;
  };
  const refused = (verb: string, folder: RegExp, given?: RawConfig, how?: How) => {
    const unchanged = machine.snapshot();
    const { status, stderr } = machine.wanmark(verb, given, how);
    assert.equal(status, 1, stderr);
    assert.match(
      stderr,
      new RegExp(`^wanmark: this network namespace has an installation .* ${folder.source};`, 'm'),
    );
    assert.equal(machine.snapshot(), unchanged);
  };
  const rules = (netns?: string) => machine.sh('ip rule | grep -c "proto 119" || :', {}, netns).trim();

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
    machine.sh('ip netns add second');
    machine.sh(
      `for k in 1 2; do
        ip link add eth$k type veth peer name peer$k; ip addr add 10.$k.0.2/24 dev eth$k
        ip link set eth$k up; ip link set peer$k up
      done`,
      {},
      'second',
    );
  });

  after(() => machine.stop());

  test('shares the run directory with that of another network namespace', () => {
    ok('up', first);
    ok('up', SECOND, THERE);
    assert.match(machine.sh('ip route show table 1001', {}, 'second'), /10\.1\.0\.1 dev eth1/);
    assert.match(machine.sh('ip route show table 1001'), /192\.0\.1\.1 dev w1/);
    for (const how of [{}, THERE]) {
      ok('check', undefined, how);
      assert.equal(ok('refresh', undefined, how), '', 'each goes on with its own plan');
    }
    const socket = (how?: How) =>
      /answers on (\S+)/.exec(machine.wanmark('reload', undefined, how).stderr)?.[1];
    assert.equal(socket(), '/run/wanmark/wanmark.sock');
    assert.match(socket(THERE)!, /^\/run\/wanmark\/netns-\d+\/wanmark\.sock$/);
    const mine = machine.snapshot();
    ok('down', undefined, THERE);
    assert.equal(rules('second'), '0');
    assert.equal(machine.snapshot(), mine);
    ok('check');
    ok('down');
  });

  test('takes the state over that a namespace left which has ended', () => {
    ok('up', SECOND, THERE);
    assert.match(machine.sh('cat /run/wanmark/state/plan.json'), /eth1/);
    machine.sh('ip netns del second');
    ok('up', first);
    assert.match(machine.sh('cat /run/wanmark/state/plan.json'), /dev=w1/);
    ok('down');
    assert.equal(machine.sh('ls -d /run/wanmark/netns-*/state 2>/dev/null || :'), '');
  });

  test('refuses a second one with another run directory, and is not taken away by it', () => {
    for (const [one, other, folder] of [
      [{}, ELSEWHERE, /\/run\/wanmark/],
      [ELSEWHERE, {}, /\/run\/else where/],
    ] as const) {
      ok('up', first, one);
      refused('up', folder, { ...first, mask: '0xff0000', 'queue-num': 9 }, other);
      refused('down', folder, undefined, other);
      ok('up', first, one);
      ok('down', undefined, one);
      ok('up', first, other);
      ok('down', undefined, other);
    }
  });

  test('adopts rules whose state is gone', () => {
    ok('up', first, ELSEWHERE);
    machine.sh('rm -r "/run/else where"');
    ok('up', first);
    ok('down');
    assert.equal(rules(), '0');
  });
});
