import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { shadowedRules } from '#wanmark/plan/shadowed.js';

const shadowed = (...rule: string[]) =>
  shadowedRules(
    parseConfig({ wan: ['dsl,dev=eth1', 'lte,dev=eth2'], set: ['a,external'], rule }).policies.rules,
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

  it('is not one that something is left for', () => {
    for (const rules of [
      ['dsl,from=10.0.0.0/8', 'lte,from=10.0.0.0/8+192.168.0.0/16'],
      ['dsl,from=10.1.0.0/16', 'lte,from=10.0.0.0/8'],
      ['dsl,proto=tcp,dport=80', 'lte,proto=tcp'],
      ['dsl,family=4', 'lte,proto=tcp'],
      ['dsl,own=false', 'lte,proto=tcp'],
      ['dsl,time=mon', 'lte,proto=tcp'],
      ['dsl,from=!10.0.0.0/8', 'lte,from=192.168.0.1'],
      ['dsl,proto=!tcp', 'lte,proto=udp'],
    ])
      assert.deepEqual(shadowed(...rules), [], rules.join());
  });
});
