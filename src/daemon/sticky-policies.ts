import type { PoliciesConfig } from '../config/policies.js';
import { DEFAULT_POLICY } from '../config/policy.js';
import type { StickyStatus } from '../control/status.js';
import { FAMILIES } from '../core/family.js';
import { Stickiness, type Sticky } from '../core/stickiness.js';
import type { Wan } from '../core/wan.js';
import { ClientSets } from '../system/client-sets.js';
import { hasClientSets } from '../system/network-sets.js';
import { ClientCopies } from './client-copies.js';

/** The memory of a policy, and the kernel's copies of it. */
interface Kept {
  readonly stickiness: Stickiness;
  readonly copies: readonly ClientCopies[];
}

/** What the policies remember of their clients; the kernel's copies of an earlier daemon's memory are taken up. */
export class StickyPolicies {
  readonly #kept: ReadonlyMap<string, Kept>;

  /** @param now milliseconds of a clock that never goes back */
  constructor({ used, sticky }: PoliciesConfig, wans: readonly Wan[], now: () => number) {
    const all = [{ name: DEFAULT_POLICY, sticky, members: wans.map(({ name }) => ({ wan: name })) }, ...used];
    this.#kept = new Map(
      all.flatMap((policy) => {
        if (policy.sticky === undefined) return [];
        const stickiness = new Stickiness(policy.sticky, now);
        const numbers = new Map(
          wans
            .filter(({ name }) => policy.members.some(({ wan }) => wan === name))
            .map(({ name, mark }) => [name, mark]),
        );
        return [[policy.name, { stickiness, copies: copiesOf(stickiness, policy.name, numbers) }]];
      }),
    );
  }

  /** The memory of a policy; undefined where it is not sticky. */
  of(policy: string): Stickiness | undefined {
    return this.#kept.get(policy)?.stickiness;
  }

  status(policy: string): StickyStatus | null {
    const kept = this.#kept.get(policy);
    if (kept === undefined) return null;
    const { stickiness, copies } = kept;
    const { by, forMs, bound }: Sticky = stickiness.sticky;
    return {
      by,
      forSeconds: forMs / 1000,
      bound: bound ?? null,
      clients: stickiness.clients(),
      ...stickiness.counts(),
      kernel: copies.length > 0 && copies.every((one) => one.isWritten),
    };
  }

  /** Gives the kernel what it does not have yet. */
  stop(): void {
    for (const { copies } of this.#kept.values()) for (const one of copies) one.stop();
  }
}

function copiesOf(
  { sticky, tables }: Stickiness,
  policy: string,
  members: ReadonlyMap<string, number>,
): readonly ClientCopies[] {
  if (sticky.by !== 'src' || !hasClientSets()) return [];
  return FAMILIES.map(
    (family) => new ClientCopies(tables[family], new ClientSets(family, policy, members), sticky.forMs),
  );
}
