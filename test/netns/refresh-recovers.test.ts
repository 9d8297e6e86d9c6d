/** A WAN whose table led nowhere, and that can be used again. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { addon, namespaces, needs } from '../helpers/requires.js';
import { Machine } from './rules-harness.js';

describe('a refresh', needs(namespaces, addon), () => {
  let machine: Machine;

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
  });
  after(() => machine.stop());

  test('gives the table of a WAN that is back its way again, in both families', () => {
    const carry = (...args: string[]) => {
      const { status, stderr } = machine.command(args);
      assert.equal(status, 0, stderr);
    };
    const wan = (k: number) => ['--wan', `wan${k},dev=w${k},via=192.0.${k}.1,via6=2001:db8:${k}::1`];
    const route = (family: number) => machine.sh(`ip -${family} route show table 1002`);
    machine.sh('ip link set w2 down');
    carry('up', ...wan(1), ...wan(2));
    for (const family of [4, 6]) assert.match(route(family), /^unreachable default/);
    machine.sh('ip link set w2 up; ip addr replace 2001:db8:2::2/64 dev w2');
    machine.until('ip -6 route get fibmatch 2001:db8:2::1 oif w2 | grep -q "^2001:db8:2::/64"');
    carry('refresh');
    assert.match(route(4), /^default via 192\.0\.2\.1 dev w2/);
    assert.match(route(6), /^default via 2001:db8:2::1 dev w2/);
    machine.sh('ip link set w2 down');
    carry('refresh');
    for (const family of [4, 6]) assert.match(route(family), /^unreachable default/);
  });
});
