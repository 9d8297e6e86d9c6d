import { setImmediate } from 'node:timers/promises';
import type { Family } from '../core/family.js';
import { HELD_PREFIX, type HeldSet } from '../plan/held-sets.js';
import { isClientSet } from '../plan/stickiness.js';
import { ClientSet } from './rtnetlink/client-set.js';
import { kernelSetNames } from './rtnetlink/ipset.js';
import { KernelSet } from './rtnetlink/kernel-set.js';

let keepsNetworks: boolean | undefined;
let keepsClients: boolean | undefined;

/**
 * Whether the kernel keeps sets of networks; asked once. It is tried with a set of its own, because a kernel that has
 * ipset may lack `hash:net`. Needs CAP_NET_ADMIN.
 */
export function hasNetworkSets(): boolean {
  keepsNetworks ??= canKeep(KernelSet);
  return keepsNetworks;
}

/** The same of sets of clients, `hash:ip`. */
export function hasClientSets(): boolean {
  keepsClients ??= canKeep(ClientSet);
  return keepsClients;
}

function canKeep(Kind: typeof KernelSet | typeof ClientSet): boolean {
  return attempt(() => {
    const trial = new Kind(`${TRIAL}${process.pid}`, 4);
    trial.create();
    trial.destroy();
  });
}

const TRIAL = `${HELD_PREFIX}TRIAL_`;

/**
 * The networks in our sets before a change, for an undo; a set that did not exist is missing here. Clients are left out,
 * since nobody takes them out of their set.
 */
export type SetsBefore = ReadonlyMap<string, ReadonlySet<string>>;

/** @throws Error with `errno` */
export function readNetworkSets(): SetsBefore {
  const sets = new Map<string, ReadonlySet<string>>();
  for (const name of ownSets()) {
    const networks = isClientSet(name) ? new Set<string>() : new KernelSet(name, familyOf(name)).networks();
    if (networks !== undefined) sets.set(name, networks);
  }
  return sets;
}

/** The names of our sets, without another process's trial. */
function ownSets(): string[] {
  if (!hasNetworkSets() && !hasClientSets()) return [];
  return kernelSetNames().filter((name) => name.startsWith(HELD_PREFIX) && !name.startsWith(TRIAL));
}

/** Behind the prefix stands the family. */
function familyOf(name: string): Family {
  return name[HELD_PREFIX.length] === '6' ? 6 : 4;
}

/** How many networks are put into a set at once, in some milliseconds. */
const MOST_AT_ONCE = 1000;

/** Fills the sets, by what they lack and what they have too much. @throws Error with `errno` */
export function fillNetworkSets(held: readonly HeldSet[], before: SetsBefore): void {
  for (const _ of filling(held, before));
}

/** The same in parts, so that packets need not wait. @throws Error with `errno` */
export async function fillNetworkSetsLater(held: readonly HeldSet[], before: SetsBefore): Promise<void> {
  for (const _ of filling(held, before)) await setImmediate();
}

function* filling(held: readonly HeldSet[], before: SetsBefore): Generator<undefined, void, undefined> {
  for (const { name, family, elements } of held) {
    const had = before.get(name);
    if (isClientSet(name)) {
      if (had === undefined) new ClientSet(name, family).create();
      continue;
    }
    const set = new KernelSet(name, family);
    if (had === undefined) set.create();
    // What is new comes first: a network that another one now covers is never out of both.
    for (const some of parts(elements.filter((network) => !had?.has(network)))) {
      set.add(some);
      yield;
    }
    const wanted = new Set(elements);
    for (const some of parts([...(had ?? [])].filter((network) => !wanted.has(network)))) {
      set.delete(some);
      yield;
    }
  }
}

function parts(networks: readonly string[]): (readonly string[])[] {
  const count = Math.ceil(networks.length / MOST_AT_ONCE);
  return Array.from({ length: count }, (_, i) => networks.slice(i * MOST_AT_ONCE, (i + 1) * MOST_AT_ONCE));
}

/** Adds networks to a set, which must exist. @throws Error with `errno` */
export function addToNetworkSet(
  { name, family }: Pick<HeldSet, 'name' | 'family'>,
  networks: readonly string[],
): void {
  new KernelSet(name, family).add(networks);
}

/** Removes the sets that are not among `held`. One that a rule still asks stays, and goes with a later run. */
export function dropNetworkSets(held: readonly HeldSet[]): void {
  const kept = new Set(held.map(({ name }) => name));
  attempt(() => {
    for (const name of ownSets())
      if (!kept.has(name)) attempt(() => new KernelSet(name, familyOf(name)).destroy());
  });
}

/** Goes back to what {@link readNetworkSets} found; each set as far as that is possible. */
export function restoreNetworkSets(before: SetsBefore): void {
  const held = [...before].map(([name, networks]) => ({
    name,
    family: familyOf(name),
    elements: [...networks],
  }));
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
