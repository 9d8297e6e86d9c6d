import type { PlanConfig } from '../config/config.js';
import { refusesFamily, type UsedPolicy } from '../config/policies.js';
import type { Family } from '../core/family.js';
import type { Service } from '../core/service.js';
import type { Facts } from './facts.js';
import type { MarkBits } from './plan.js';
import type { PlanStates } from './states.js';
import { type Uplink, uplinksOf } from './uplink.js';

/** Everything that the parts of a plan need for one family. */
export interface Scene {
  readonly config: PlanConfig;
  readonly facts: Facts;
  readonly states: PlanStates;
  readonly family: Family;
  /** The WANs that carry the family, in the order of the configuration. */
  readonly uplinks: readonly Uplink[];
  /** Whether there is anything to do for the WANs' sake: some carry the family, or else a rule refuses some of it. */
  readonly isOurs: boolean;
  /** The devices of `uplinks`, each once. */
  readonly devices: readonly string[];
  /** The services of the family, those with an address of their own first. */
  readonly services: readonly Service[];
  /** Whether each packet gets a choice of its own, and nothing is saved in connections. */
  readonly spreads: boolean;
  /** The mask of the WANs' field. */
  readonly mask: number;
  /** The mask of the backends' field. */
  readonly backendMask: number;
  /** Adds a line that a person should know. */
  readonly note: (line: string) => void;
}

/** Gathers what the parts of a plan need. @param note told of each line that a person should know */
export function makeScene(
  config: PlanConfig,
  facts: Facts,
  states: PlanStates,
  family: Family,
  note: (line: string) => void,
): Scene {
  const uplinks = uplinksOf(config.wans, family, facts);
  const translator = config.rules.per === 'packet' ? findTranslator(uplinks) : undefined;
  if (translator !== undefined) {
    note(
      `warning: WAN ${translator}, and NAT keeps a connection on one WAN, so IPv${family} connections are spread, ` +
        "not packets; use 'none' or one address on every WAN",
    );
  }
  return {
    config,
    facts,
    states,
    family,
    uplinks,
    isOurs: uplinks.length > 0 || refusesFamily(config.policies, family),
    devices: [...new Set(uplinks.map(({ wan }) => wan.dev))],
    // A device may have the very address of another service.
    services: config.services
      .filter((service) => service.family === family)
      .toSorted((a, b) => Number(a.address === undefined) - Number(b.address === undefined)),
    spreads: config.rules.per === 'packet' && uplinks.length > 0 && translator === undefined,
    mask: config.fields.wans.mask,
    backendMask: config.fields.backends.mask,
    note,
  };
}

/**
 * Whether no daemon is asked about packets: with the engines `kernel` and `ahead`, and where no WAN carries the family, so that
 * there is no choice.
 */
export function choosesAlone({ config, uplinks }: Pick<Scene, 'config' | 'uplinks'>): boolean {
  return config.rules.engine !== 'nfqueue' || uplinks.length === 0;
}

/**
 * The first WAN whose NAT would keep a connection on it. NAT gives a connection one address for good; packets with that
 * address that left by another WAN would be lost, and behind MASQUERADE the kernel itself drops them
 * (nf_nat_oif_changed). So packets can be spread only without NAT, or with one address for all WANs.
 */
function findTranslator(uplinks: readonly Uplink[]): string | undefined {
  const first = uplinks[0]?.nat;
  const found = uplinks.find(({ nat }) => nat === 'masquerade' || nat.includes('/') || nat !== first);
  return found && `${found.wan.name} has ${found.family === 6 ? 'nat6' : 'nat'}=${found.nat}`;
}

/** The mark bits of a WAN's number. */
export function wanBits({ config, mask }: Scene, number: number): MarkBits {
  return { value: config.fields.wans.encode(number), mask };
}

/**
 * The mark of a connection about which the daemon is asked: the highest number but one of the field, since the highest
 * is that of {@link refusedBits}. It never outlives a connection's first packet. 0 where the field has no room for it;
 * then the kernel also chooses for what no rule in mangle has seen.
 */
export function askedBits({ config, mask }: Pick<Scene, 'config' | 'mask'>): MarkBits {
  const field = config.fields.wans;
  const number = field.max - 1;
  const free = config.wans.every(({ mark }) => mark < number);
  return { value: free ? field.encode(number) : 0, mask };
}

/**
 * The mark for "no WAN is up" where connections are then refused: the whole field. Undefined where they go by the main
 * table.
 */
export function refusedBits({ config, mask }: Pick<Scene, 'config' | 'mask'>): MarkBits | undefined {
  return config.rules.lastResort === 'main' ? undefined : { value: mask, mask };
}

/** The policies that rules lead to, each with the mark of its packets. */
export function numberedPolicies(scene: Scene): { readonly policy: UsedPolicy; readonly bits: MarkBits }[] {
  return scene.config.policies.used.flatMap((policy) =>
    policy.number === undefined ? [] : [{ policy, bits: wanBits(scene, policy.number) }],
  );
}
