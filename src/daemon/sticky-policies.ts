import { isDeepStrictEqual } from 'node:util';
import { type PoliciesConfig, stickyPolicies } from '../config/policies.js';
import type { StickyStatus } from '../control/status.js';
import { FAMILIES } from '../core/family.js';
import { Stickiness, type Sticky } from '../core/stickiness.js';
import type { Wan } from '../core/wan.js';
import { ClientSets } from '../system/client-sets.js';
import { readInstalled } from '../system/installed.js';
import { hasClientSets } from '../system/network-sets.js';
import { NftClientSets } from '../system/nft-client-sets.js';
import { ClientCopies } from './client-copies.js';
import type { ClientMemory } from './client-memory.js';
import { EitherSets } from './either-sets.js';

/** The memory of a policy, and the kernel's copies of it. */
interface Kept {
  readonly stickiness: Stickiness;
  readonly copies: readonly ClientCopies[];
  /** The numbers of the policy's members, by name. */
  readonly numbers: ReadonlyMap<string, number>;
}

/**
 * What the policies remember of their clients. What an earlier daemon remembered is taken up: the kernel has copies of clients, and
 * a file has the pairs of a client and a server, and the clients where the kernel keeps no sets.
 */
export class StickyPolicies {
  readonly #now: () => number;
  readonly #memory: Pick<ClientMemory, 'keep' | 'leave'>;
  #kept: ReadonlyMap<string, Kept> = new Map();

  /** @param now milliseconds of a clock that never goes back */
  constructor(
    policies: PoliciesConfig,
    wans: readonly Wan[],
    now: () => number,
    memory: Pick<ClientMemory, 'keep' | 'leave'>,
  ) {
    this.#now = now;
    this.#memory = memory;
    this.follow(policies, wans);
  }

  /**
   * Goes over to other policies, when the rules have their sets. A policy keeps its clients as long as it tells them apart
   * by the same; those of a WAN that is gone get another one when they come again.
   */
  follow(policies: PoliciesConfig, wans: readonly Wan[]): void {
    const before = this.#kept;
    const kept = new Map<string, Kept>();
    for (const [policy, sticky] of stickyPolicies(policies)) {
      // Those of `default` are all WANs.
      const members = policies.used.find(({ name }) => name === policy)?.members;
      const numbers = new Map(
        wans
          .filter(({ name }) => members === undefined || members.some(({ wan }) => wan === name))
          .map(({ name, mark }) => [name, mark]),
      );
      const had = before.get(policy);
      if (had !== undefined && isDeepStrictEqual([had.stickiness.sticky, had.numbers], [sticky, numbers])) {
        kept.set(policy, had);
        continue;
      }
      for (const copy of had?.copies ?? []) copy.stop();
      const stickiness = new Stickiness(sticky, this.#now);
      if (had?.stickiness.sticky.by === sticky.by)
        for (const family of FAMILIES) stickiness.tables[family].succeed(had.stickiness.tables[family]);
      const copies = copiesOf(stickiness, policy, numbers);
      if (copies.length === 0) this.#memory.keep(policy, stickiness);
      else this.#memory.leave(policy);
      kept.set(policy, { stickiness, copies, numbers });
    }
    for (const [policy, { copies }] of before) {
      if (kept.has(policy)) continue;
      for (const copy of copies) copy.stop();
      this.#memory.leave(policy);
    }
    this.#kept = kept;
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
  if (sticky.by !== 'src') return [];
  const isNft = readInstalled()?.firewall.backend === 'nft';
  if (!isNft && !hasClientSets()) return [];
  return FAMILIES.map((family) => {
    const ipsets = new ClientSets(family, policy, members);
    const nft = new NftClientSets(family, policy, members);
    const sets = new EitherSets(isNft ? [nft, ipsets] : [ipsets, nft]);
    return new ClientCopies(tables[family], sets, sticky.forMs);
  });
}
