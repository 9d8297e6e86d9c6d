import type { Family } from '../core/family.js';
import type { HeldSet } from '../plan/held-sets.js';
import { heldSetName } from '../plan/held-sets.js';
import { KernelSet } from './rtnetlink/kernel-set.js';

/** One for each family; there are no others of ours. */
const SETS: readonly KernelSet[] = ([4, 6] as const).map((family) => setOf(family));

function setOf(family: Family): KernelSet {
  return new KernelSet(heldSetName(family), family);
}

let able: boolean | undefined;

/**
 * Whether the kernel keeps sets of networks; asked once. It is tried with a set of its own, because a kernel that has
 * ipset may lack `hash:net`. Needs CAP_NET_ADMIN.
 */
export function hasNetworkSets(): boolean {
  able ??= attempt(() => {
    const trial = new KernelSet(`WANMARK_TRIAL_${process.pid}`, 4);
    trial.create();
    trial.destroy();
  });
  return able;
}

/** The networks in our sets before a change, for an undo; a set that did not exist is missing here. */
export type SetsBefore = ReadonlyMap<Family, ReadonlySet<string>>;

/** @throws Error with `errno` */
export function readNetworkSets(): SetsBefore {
  const sets = new Map<Family, ReadonlySet<string>>();
  if (!hasNetworkSets()) return sets;
  for (const family of [4, 6] as const) {
    const networks = setOf(family).networks();
    if (networks !== undefined) sets.set(family, networks);
  }
  return sets;
}

/** Fills the sets, by what they lack and what they have too much. @throws Error with `errno` */
export function fillNetworkSets(held: readonly HeldSet[], before: SetsBefore): void {
  for (const { family, elements } of held) {
    const set = setOf(family);
    const had = before.get(family);
    if (had === undefined) set.create();
    // What is new comes first: a network that another one now covers is never out of both.
    set.add(elements.filter((network) => !had?.has(network)));
    const wanted = new Set(elements);
    set.delete([...(had ?? [])].filter((network) => !wanted.has(network)));
  }
}

/** Adds networks to a family's set, which must exist. @throws Error with `errno` */
export function addToNetworkSet(family: Family, networks: readonly string[]): void {
  setOf(family).add(networks);
}

/** Removes the sets that are not among `held`. One that a rule still asks stays, and goes with a later run. */
export function dropNetworkSets(held: readonly HeldSet[]): void {
  const kept = new Set(held.map(({ family }) => heldSetName(family)));
  for (const set of SETS) if (!kept.has(set.name)) attempt(() => set.destroy());
}

/** Goes back to what {@link readNetworkSets} found; each set as far as that is possible. */
export function restoreNetworkSets(before: SetsBefore): void {
  const held = [...before].map(([family, networks]) => ({ family, elements: [...networks] }));
  attempt(() => fillNetworkSets(held, readNetworkSets()));
  dropNetworkSets(held);
}

function attempt(act: () => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if (error instanceof Error && 'errno' in error) return false;
    throw error;
  }
}
