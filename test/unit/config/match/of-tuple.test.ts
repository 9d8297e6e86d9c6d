import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { type KnownTuple, policyOfTuple } from '#wanmark/config/match/of-tuple.js';

const POLICIES = ['a', 'b', 'c'].map((name) => `${name},use=fibre`);

/** The policy of a connection by these rules. */
function policyBy(rules: readonly string[], change: Partial<KnownTuple> = {}): string | undefined {
  const config = parseConfig({ wan: ['fibre,dev=eth1,via=192.0.2.1'], policy: POLICIES, rule: rules });
  const tuple = { family: 4, proto: 6, src: '10.0.0.5', sport: 5000, dst: '1.1.1.1', dport: 443 } as const;
  return policyOfTuple(config.policies.rules, { ...tuple, ...change }, 'default');
}

describe('the policy of a connection that conntrack has', () => {
  it('is that of the first rule that is for it', () => {
    assert.equal(policyBy(['a,proto=tcp,dport=22', 'b,proto=tcp,dport=443', 'c,from=10.0.0.0/8']), 'b');
    assert.equal(policyBy(['a,proto=udp', 'c,from=10.0.0.0/8']), 'c');
    assert.equal(policyBy(['a,proto=udp']), 'default');
    assert.equal(policyBy([]), 'default');
  });

  it('goes by addresses of each form, by ports and by what is not', () => {
    assert.equal(policyBy(['a,from=10.0.0.1-10.0.0.9']), 'a');
    assert.equal(policyBy(['a,from=10.0.0.6-10.0.0.9']), 'default');
    assert.equal(policyBy(['a,from=0.0.0.1/0.0.0.1']), 'a', 'odd');
    assert.equal(policyBy(['a,from=0.0.0.0/0.0.0.1']), 'default', 'even');
    assert.equal(policyBy(['a,to=!1.1.1.1']), 'default');
    assert.equal(policyBy(['a,proto=tcp+udp,dport=400-500']), 'a');
    assert.equal(policyBy(['a,proto=tcp,sport=!5000']), 'default');
    assert.equal(policyBy(['a,to=2001:db8::/32']), 'default');
    assert.equal(policyBy(['a,to=2001:db8::/32'], { family: 6, src: 'fd00::1', dst: '2001:db8::1' }), 'a');
    assert.equal(policyBy(['a,family=6']), 'default');
  });

  it('cannot be told where a rule asks for what conntrack does not have, unless something else speaks against it', () => {
    assert.equal(policyBy(['a,in=eth9', 'b,proto=tcp']), undefined);
    assert.equal(policyBy(['a,in=eth9,proto=udp', 'b,proto=tcp']), 'b');
    assert.equal(policyBy(['b,proto=tcp', 'a,in=eth9']), 'b', 'what comes first holds');
    assert.equal(policyBy(['a,time=08:00-17:00']), undefined);
  });
});
