import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { lowestPolicyNumber } from '#wanmark/config/policies.js';
import { Pool } from '#wanmark/core/pool.js';
import { States } from '#wanmark/core/states.js';
import { wanMember } from '#wanmark/core/wan.js';
import { Decider, NO_INBOUND } from '#wanmark/daemon/decider.js';
import { findByPolicy, policyMembers } from '#wanmark/daemon/policy-pools.js';
import { emptyBatch } from '../flows.js';

const config = parseConfig({
  wan: ['fibre,dev=eth1,via=192.0.2.1', 'dsl,dev=eth2,via=198.51.100.1', 'lte,dev=ppp0'],
  policy: ['voice,use=dsl+lte:tier=2,none=web', 'web,use=fibre:weight=5,none=unreachable'],
  rule: ['voice,from=10.0.0.1', 'lte,from=10.0.0.2'],
});
const { used } = config.policies;
const field = config.fields.wans;
const first = {
  name: 'first',
  strategy: { pick: (_: unknown, wans: readonly unknown[]) => wans[0] as never },
};

describe('pools by policy', () => {
  const states = new States(config.wans.map((wan) => wanMember(wan).target));
  const common = { strategy: first, states, onFault: () => assert.fail('no fault') };
  const pools = [
    new Pool({ ...common, name: 'default', members: config.wans.map(wanMember) }),
    ...used.map(
      (policy) => new Pool({ ...common, name: policy.name, members: policyMembers(policy, config.wans) }),
    ),
  ];
  const decisions: string[] = [];
  const decider = new Decider(
    findByPolicy(pools, config.policies, field),
    field,
    NO_INBOUND,
    (pool, member) => decisions.push(`${pool.name}:${member.target.name}`),
    { undecidedFrom: lowestPolicyNumber(config.policies) },
  );
  const numberOf = (name: string) => used.find((one) => one.name === name)!.number!;
  /** The answers for packets that have the numbers of policies in their marks. */
  const decide = (...numbers: number[]) => {
    decisions.length = 0;
    const batch = emptyBatch(numbers.length);
    numbers.forEach((number, i) => {
      batch.family[i] = 4;
      batch.oldMark[i] = number === 0 ? 0x5 : field.encode(number) | 0x5;
    });
    decider.decide(batch, numbers.length);
    return numbers.map((_, i) => field.decode(batch.marks[i]!));
  };

  it('are asked for packets with their number, and no other', () => {
    assert.deepEqual(decide(0, numberOf('voice'), numberOf('lte')), [1, 2, 3]);
    assert.deepEqual(decisions, ['default:fibre', 'voice:dsl', 'lte:lte']);
  });

  it('leave a number of no policy to the kernel, and the mark of a WAN alone', () => {
    assert.deepEqual(decide(field.max - 2 - used.length, 2), [0, 0]);
  });

  it('fall back to their tiers, to the policy that they name, and then to the kernel', () => {
    const down = { up: false, since: 0, reason: 'test', heldUntil: undefined };
    states.found('dsl/4', down);
    assert.deepEqual(decide(numberOf('voice')), [3]);
    states.found('lte/4', down);
    assert.deepEqual(decide(numberOf('voice'), numberOf('lte'), 0), [1, 0, 1]);
    states.found('fibre/4', down);
    assert.deepEqual(decide(numberOf('voice')), [0]);
  });

  it('keep their weights, but not those of a WAN that is drained', () => {
    const fresh = new States(config.wans.map((wan) => wanMember(wan).target));
    const web = new Pool({
      ...common,
      states: fresh,
      name: 'web',
      members: policyMembers(used.find(({ name }) => name === 'web')!, config.wans),
    });
    const weights = () => web.candidates(4).map(({ candidate }) => candidate.weight);
    assert.deepEqual(weights(), [5]);
    fresh.setWeight('fibre', 9);
    assert.deepEqual(weights(), [5]);
    fresh.setWeight('fibre', 0);
    assert.deepEqual(weights(), []);
  });
});
