import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { shadowedRules } from '#wanmark/plan/shadowed.js';

const shadowed = (...rule: string[]) =>
  shadowedRules(
    parseConfig({ wan: ['dsl,dev=eth1', 'lte,dev=eth2'], set: ['a,external'], rule }).policies.rules,
    () => ['10.9.0.0/16', 'fd09::/64'],
  );

describe('a rule that can never match', () => {
  it('is named with the one that takes all of it', () => {
    assert.deepEqual(shadowed('dsl,from=10.0.0.0/8', 'lte,from=10.1.0.5,proto=tcp,dport=80'), [
      'rule 2 (lte,from=10.1.0.5,proto=tcp,dport=80) can never match, since rule 1 (dsl,from=10.0.0.0/8) takes all of it; ' +
        'put it first, or leave it out',
    ]);
    assert.equal(shadowed('dsl', 'lte,set=a').length, 1);
    assert.equal(shadowed('dsl,proto=tcp+udp,dport=1-100', 'lte,proto=udp,dport=53+80').length, 1);
    assert.equal(shadowed('dsl,in=wg+', 'lte,in=wg0,mac=02:00:00:00:00:01').length, 1);
    assert.equal(shadowed('dsl,own=true', 'lte,uid=1000').length, 1);
    assert.equal(shadowed('dsl,time=mon 08:00-09:00', 'lte,time=mon 08:00-09:00,from=10.0.0.1').length, 1);
    assert.equal(shadowed('dsl,from=!10.0.0.0/8', 'lte,from=!10.0.0.0/8,proto=udp').length, 1);
  });

  it('is named with all that take it together', () => {
    assert.deepEqual(shadowed('dsl,proto=tcp', 'lte,proto=udp', 'dsl,proto=udp+tcp,from=192.168.0.1'), [
      'rule 3 (dsl,from=192.168.0.1,proto=udp+tcp) can never match, since rules 1 (dsl,proto=tcp) and 2 (lte,proto=udp) take ' +
        'all of it; put it first, or leave it out',
    ]);
    assert.equal(shadowed('dsl,own=true', 'lte,own=false', 'dsl').length, 1);
    assert.equal(shadowed('dsl,family=4', 'lte,family=6', 'dsl,proto=tcp').length, 1);
    assert.equal(shadowed('dsl,family=4', 'lte,from=192.168.0.1').length, 1);
    assert.equal(
      shadowed('dsl,from=10.0.0.0/8', 'dsl,from=!10.0.0.0/8', 'lte,from=10.1.0.0/16+192.168.0.1').length,
      1,
    );
    assert.equal(shadowed('dsl,own=false', 'lte,in=lan0').length, 1);
  });

  it('is one whose addresses are within those of a range, or none of those that are left out', () => {
    assert.equal(shadowed('dsl,from=10.0.0.0-10.0.1.255', 'lte,from=10.0.1.0/24').length, 1);
    assert.equal(shadowed('dsl,from=10.0.0.0/23', 'lte,from=10.0.0.9-10.0.1.4').length, 1);
    assert.equal(shadowed('dsl,from=!10.0.0.0/8', 'lte,from=192.168.0.1').length, 1);
    assert.equal(shadowed('dsl,proto=!tcp', 'lte,proto=udp').length, 1);
    assert.equal(shadowed('dsl,proto=tcp,dport=!1-100', 'lte,proto=tcp,dport=200').length, 1);
  });

  it('is none that names what main has a route to, unless one before it does, too', () => {
    assert.deepEqual(shadowed('dsl,proto=tcp', 'lte,to=10.9.1.0/24,proto=tcp'), []);
    assert.deepEqual(shadowed('dsl,to=10.0.0.0/8', 'lte,to=10.9.1.0/24'), [], 'main knows only a part of it');
    assert.deepEqual(shadowed('dsl,to=10.8.0.0/16+10.9.7.0/24', 'lte,to=10.9.1.0/24'), []);
    assert.deepEqual(shadowed('dsl', 'lte,to=fd09::1'), []);
    assert.equal(shadowed('dsl,to=10.9.0.0/16', 'lte,to=10.9.1.0/24').length, 1);
    assert.equal(shadowed('dsl', 'lte,to=10.8.1.0/24').length, 1);
  });

  it('is found among many rules in a moment', () => {
    const many = Array.from({ length: 600 }, (_, i) => `dsl,from=10.${i >> 8}.${i & 255}.0/24`);
    const start = process.cpuUsage();
    assert.equal(shadowed(...many, 'lte,proto=tcp+udp,from=10.0.7.1').length, 1);
    const { user } = process.cpuUsage(start);
    assert.ok(user < 1_500_000, `${user} us`);
  });

  it('is not one that something is left for', () => {
    for (const rules of [
      ['dsl,from=10.0.0.0/8', 'lte,from=10.0.0.0/8+192.168.0.0/16'],
      ['dsl,from=10.1.0.0/16', 'lte,from=10.0.0.0/8'],
      ['dsl,proto=tcp,dport=80', 'lte,proto=tcp'],
      ['dsl,family=4', 'lte,proto=tcp'],
      ['dsl,own=false', 'lte,proto=tcp'],
      ['dsl,time=mon', 'lte,proto=tcp'],
      ['dsl,from=!10.0.0.0/8', 'lte,from=192.168.0.1+10.1.0.1'],
      ['dsl,from=!0.0.0.1/0.0.0.1', 'lte,from=10.0.0.2'],
      ['dsl,proto=!tcp+icmp', 'lte,proto=udp+tcp'],
      ['dsl,proto=tcp', 'lte,proto=tcp+udp'],
      ['dsl,from=10.0.0.4-10.0.0.9', 'lte,from=10.0.0.8/31+10.0.0.10'],
      ['dsl,own=true', 'lte,in=lan0'],
    ])
      assert.deepEqual(shadowed(...rules), [], rules.join());
  });
});
