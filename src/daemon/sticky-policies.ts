import { type PoliciesConfig, stickyPolicies } from '../config/policies.js';
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
  constructor(policies: PoliciesConfig, wans: readonly Wan[], now: () => number) {
    this.#kept = new Map(
      [...stickyPolicies(policies)].map(([policy, sticky]) => {
        const stickiness = new Stickiness(sticky, now);
        // Those of `default` are all WANs.
        const members = policies.used.find(({ name }) => name === policy)?.members;
        const numbers = new Map(
          wans
            .filter(({ name }) => members === undefined || members.some(({ wan }) => wan === name))
            .map(({ name, mark }) => [name, mark]),
        );
        return [policy, { stickiness, copies: copiesOf(stickiness, policy, numbers) }];
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
