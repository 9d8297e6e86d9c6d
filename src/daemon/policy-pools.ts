import type { PoliciesConfig, UsedPolicy } from '../config/policies.js';
import { DEFAULT_POLICY } from '../config/policy.js';
import type { Batch } from '../core/batch.js';
import type { Family } from '../core/family.js';
import type { MarkField } from '../core/mark.js';
import type { MemberParts } from '../core/member.js';
import type { Pool } from '../core/pool.js';
import { type Wan, wanMember } from '../core/wan.js';
import type { FindPool } from './decider.js';

/** The members of a policy, with weights and tiers of its own. */
export function policyMembers({ members }: UsedPolicy, wans: readonly Wan[]): MemberParts<Wan>[] {
  return members.map(({ wan: name, weight, tier }) => {
    const { target, candidate } = wanMember(wans.find((wan) => wan.name === name)!);
    return { target, candidate: Object.freeze({ ...candidate, weight, tier }), hasOwnWeight: true };
  });
}

/** Finds the pool of a packet by the number that the rules wrote into its mark; see {@link poolsByPolicy}. */
export function findByPolicy(pools: readonly Pool[], policies: PoliciesConfig, field: MarkField): FindPool {
  const poolOf = poolsByPolicy(pools, policies);
  return (batch: Batch, i: number) => poolOf(field.decode(batch.oldMark[i]!), batch.family[i]!);
}

/** The pool to which each other one leads when none of its members can take a connection, as its policy says. */
function followers(pools: readonly Pool[], { used }: PoliciesConfig): ReadonlyMap<Pool, Pool> {
  const [standard, ...others] = pools;
  const byName = new Map(used.map(({ name }, i) => [name, others[i]!]));
  return new Map(
    used.flatMap(({ none }, i) => {
      const to =
        typeof none === 'string'
          ? undefined
          : none.policy === DEFAULT_POLICY
            ? standard
            : byName.get(none.policy);
      return to === undefined ? [] : [[others[i]!, to] as const];
    }),
  );
}

/**
 * Finds the pool that chooses in place of one that has no candidates, as {@link poolsByPolicy} does.
 * @param pools as there
 */
export function poolInstead(
  pools: readonly Pool[],
  policies: PoliciesConfig,
): (pool: Pool, family: Family) => Pool | undefined {
  const next = followers(pools, policies);
  return (pool, family) => {
    let found = next.get(pool);
    while (found !== undefined && found.candidates(family).length === 0) found = next.get(found);
    return found;
  };
}

/**
 * Finds a pool by the number of a policy, 0 for `default`; where none of its members can take a connection of the family,
 * the one that the policy names for that. Where it names none, the kernel knows what becomes of it.
 * @param pools the pool of the policy `default`, and one for each policy that is used, in their order
 */
export function poolsByPolicy(
  pools: readonly Pool[],
  policies: PoliciesConfig,
): (number: number, family: number) => Pool | undefined {
  const [standard, ...others] = pools;
  const { used } = policies;
  const byNumber = new Map(
    used.flatMap(({ number }, i) => (number === undefined ? [] : [[number, others[i]!]])),
  );
  const next = followers(pools, policies);
  return (number, family) => {
    if (number === 0) return standard;
    let pool = byNumber.get(number);
    if (family !== 4 && family !== 6) return pool;
    while (pool !== undefined && pool.candidates(family).length === 0) pool = next.get(pool);
    return pool;
  };
}
