import { setImmediate } from 'node:timers/promises';
import type { Config } from '../config/config.js';
import { stickyPolicies } from '../config/policies.js';
import { FAMILIES, type Family } from '../core/family.js';
import { gatewayOf } from '../core/wan.js';
import { SystemError } from '../errors.js';
import {
  type Address,
  type Device,
  type Facts,
  type MainRoute,
  NO_REDIRECTIONS,
  neighbourKey,
  type OtherRule,
} from '../plan/facts.js';
import { PROTOCOL } from '../plan/render/ip.js';
import { readIpsets } from './ipsets.js';
import { KernelMemory } from './kernel-memory.js';
import { readMacs, sharedGateways } from './neighbours.js';
import { hasClientSets, hasNetworkSets } from './network-sets.js';
import { type InterfaceAddress, SCOPE_GLOBAL } from './rtnetlink/addresses.js';
import { KERNEL, type Kernel, LONG_ANSWERS } from './rtnetlink/kernel.js';
import { ARPHRD_ETHER, IFF_NOARP, IFF_POINTOPOINT, IFF_UP, type Link } from './rtnetlink/links.js';
import { type Route, RT_TABLE_MAIN, RTN_THROW, RTN_UNICAST } from './rtnetlink/routes.js';
import type { Rule } from './rtnetlink/rules.js';
import { readSetFiles, readSetFilesLater } from './set-files.js';
import { strictDevices } from './source-check.js';
import { readTimeZones } from './time-zones.js';

/** This machine, with its sets. */
const MACHINE: Kernel = { ...KERNEL, keepsSets: hasNetworkSets, keepsClients: hasClientSets };

/**
 * Reads what the machine has at the moment, as far as a plan for `config` depends on it. Starts no program. Takes less
 * than a millisecond, or 50 ms with 15,000 routes in the main table.
 *
 * Other people's rules are not read here, since that takes a program.
 *
 * A default route that refuses (`unreachable default`) is left out of `main`: it is neither a way nor a network of its
 * own.
 *
 * @throws SystemError `NO_FACTS` when the kernel does not answer
 */
export function readFacts(
  config: Pick<Config, 'wans' | 'services' | 'policies'>,
  kernel: Kernel = MACHINE,
): Facts {
  try {
    return new Reader(kernel).facts(config);
  } catch (error) {
    throw noFacts(error);
  }
}

/** A memory of this machine. */
export function machineMemory(): KernelMemory {
  return new KernelMemory(MACHINE, LONG_ANSWERS);
}

/**
 * Like {@link readFacts}, but the event loop is held up only for what is short, whatever the machine has.
 * @param memory saves reading again what has not changed; without one, everything is read
 * @throws SystemError `NO_FACTS`
 */
export async function readFactsLater(
  config: Parameters<typeof readFacts>[0],
  memory: Pick<KernelMemory, 'snapshot'> = machineMemory(),
): Promise<Facts> {
  let kernel: Kernel;
  try {
    kernel = await memory.snapshot();
  } catch (error) {
    throw noFacts(error);
  }
  await setImmediate();
  await readSetFilesLater(config.policies.sets);
  return readFacts(config, kernel);
}

function noFacts(error: unknown): unknown {
  if (!(error instanceof Error && 'errno' in error)) return error;
  return new SystemError(
    'NO_FACTS',
    `the kernel does not tell the machine's devices and routes (${error.message}); try again`,
    { cause: error },
  );
}

/** Whether a priority lies between those of the kernel's own rules: 0 for local, 32766 for main. */
const isOthers = (priority: number) => priority > 0 && priority < 32_766;

/** The routes of a table as facts have them. @param nameOf the name of a device, by its number */
export function routeFacts(routes: readonly Route[], nameOf: (index: number) => string): MainRoute[] {
  return routes.map(({ dst, type, metric, hops }) => ({
    dst,
    isThrow: type === RTN_THROW,
    metric,
    ways: hops.map(({ index, gateway, foreign, dead }) => ({
      dev: index === 0 ? '' : nameOf(index),
      via: gateway,
      unusable: foreign || dead,
    })),
  }));
}

/** The devices by name, and their names by number. */
interface Devices {
  readonly devices: ReadonlyMap<string, Device>;
  readonly names: ReadonlyMap<number, string>;
}

/**
 * Facts made of an answer of the kernel's, for as long as somebody has that answer: one that has been remembered yields
 * the same object again, which says without a comparison that nothing has changed.
 */
const made = {
  devices: new WeakMap<readonly Link[], Devices>(),
  main: new WeakMap<readonly Route[], { readonly names: Devices['names']; readonly routes: MainRoute[] }>(),
  addresses: new WeakMap<
    readonly InterfaceAddress[],
    { readonly names: Devices['names']; readonly addresses: Address[] }
  >(),
};

function devicesOf(links: readonly Link[]): Devices {
  const before = made.devices.get(links);
  if (before !== undefined) return before;
  const devices = new Map<string, Device>();
  const names = new Map<number, string>();
  for (const { name, index, type, flags, vrf, ipsec, tunnel, unexplained } of links) {
    devices.set(name, {
      index,
      up: (flags & IFF_UP) !== 0,
      pointToPoint: (flags & IFF_POINTOPOINT) !== 0,
      ethernet: type === ARPHRD_ETHER && (flags & (IFF_POINTOPOINT | IFF_NOARP)) === 0,
      ...(vrf === undefined ? {} : { vrf }),
      ...(ipsec === undefined ? {} : { ipsec }),
      ...(tunnel === undefined ? {} : { tunnel }),
      ...(unexplained === undefined ? {} : { unexplained }),
    });
    names.set(index, name);
  }
  made.devices.set(links, { devices, names });
  return { devices, names };
}

class Reader {
  readonly #kernel: Kernel;
  readonly #devices: ReadonlyMap<string, Device>;
  readonly #names: ReadonlyMap<number, string>;
  readonly #mains = new Map<Family, readonly MainRoute[]>();

  readonly #keepsSets: boolean;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#keepsSets = kernel.keepsSets?.() ?? false;
    const { devices, names } = devicesOf(kernel.links());
    this.#devices = devices;
    this.#names = names;
  }

  facts({ wans, services, policies }: Pick<Config, 'wans' | 'services' | 'policies'>): Facts {
    const { sets, rules } = policies;
    return {
      devices: this.#devices,
      main: { 4: this.#main(4), 6: this.#main(6) },
      rules: { 4: this.#rules(4), 6: this.#rules(6) },
      addresses: { 4: this.#addresses(4), 6: this.#addresses(6) },
      onLink: this.#onLink(wans),
      macs: readMacs(sharedGateways({ wans }), this.#kernel),
      networks: this.#networks(services),
      redirections: NO_REDIRECTIONS,
      strict: strictDevices(new Set(wans.map(({ dev }) => dev))),
      keepsSets: this.#keepsSets,
      ...(stickyPolicies(policies).size > 0 && { keepsClients: this.#kernel.keepsClients?.() ?? false }),
      ...(sets.length === 0 ? {} : { files: readSetFiles(sets), ipsets: readIpsets(sets) }),
      ...(rules.length === 0 ? {} : { zones: readTimeZones(rules) }),
    };
  }

  /** The main table, which the rules of others may lead to as well; read once, since it may be long. */
  #main(family: Family): readonly MainRoute[] {
    const read = this.#mains.get(family) ?? this.#readMain(family);
    this.#mains.set(family, read);
    return read;
  }

  #readMain(family: Family): MainRoute[] {
    const answer = this.#kernel.main(family);
    const before = made.main.get(answer);
    if (before?.names === this.#names) return before.routes;
    const told = answer.filter(({ dst, type }) => dst !== 'default' || type === RTN_UNICAST);
    const routes = routeFacts(told, (index) => this.#nameOf(index));
    made.main.set(answer, { names: this.#names, routes });
    return routes;
  }

  /** The ip rules without ours. The table of a rule for all packets, or all of a mark, is looked at, in case it answers for everything. */
  #rules(family: Family): OtherRule[] {
    return this.#kernel
      .rules(family)
      .filter(({ protocol }) => protocol !== PROTOCOL)
      .map((rule) => {
        const { priority, inverted, mark, before, after, action, suppresses } = rule;
        const isPlain = isOthers(priority) && !inverted && before.join() === 'from all' && after.length === 0;
        const answers = isPlain && !suppresses && this.#answersAll(family, rule);
        return {
          ...{ priority, inverted, mark, before, after, action },
          takesAll: answers && mark === undefined,
          ...(answers && mark !== undefined ? { leads: true } : {}),
        };
      });
  }

  #answersAll(family: Family, { table, action }: Rule): boolean {
    if (table === 0) return action !== undefined;
    if (table !== RT_TABLE_MAIN) return this.#kernel.hasDefault(family, table);
    return this.#main(family).some(({ dst }) => dst === 'default');
  }

  /** The name of a device. A device that came after the others were read has none yet. */
  #nameOf(index: number): string {
    return this.#names.get(index) ?? `if${index}`;
  }

  /**
   * The addresses of global scope. One without a network of its own (`10.0.0.1 peer 10.0.0.2/32`) gets the length of an
   * address.
   */
  #addresses(family: Family): Address[] {
    const answer = this.#kernel.addresses(family);
    const before = made.addresses.get(answer);
    if (before?.names === this.#names) return before.addresses;
    const addresses = answer
      .filter(({ scope, index }) => scope === SCOPE_GLOBAL && this.#names.has(index))
      .map(({ index, local, peer, prefixLength, deprecated }) => {
        const length = peer === undefined ? prefixLength : family === 4 ? 32 : 128;
        const place = { dev: this.#nameOf(index), address: `${local}/${length}` };
        return family === 6 && deprecated ? { ...place, isDeprecated: true } : place;
      });
    made.addresses.set(answer, { names: this.#names, addresses });
    return addresses;
  }

  /** The WANs' gateways that the kernel would accept without `onlink`. */
  #onLink(wans: Config['wans']): Set<string> {
    const keys = new Set<string>();
    for (const wan of wans) {
      const { dev } = wan;
      const index = this.#devices.get(dev)?.index;
      if (index === undefined) continue;
      for (const family of FAMILIES) {
        const gateway = gatewayOf(wan, family);
        if (gateway === undefined || gateway === 'dev' || gateway === 'auto') continue;
        if (this.#kernel.reaches(family, gateway, index)) keys.add(neighbourKey(dev, gateway));
      }
    }
    return keys;
  }

  #networks(services: Config['services']): Map<string, string> {
    const networks = new Map<string, string>();
    for (const { family, backends } of services) {
      for (const { address } of backends) {
        if (networks.has(address)) continue;
        const route = this.#kernel.route(family, address);
        const isNetwork = route !== undefined && route.type === RTN_UNICAST && route.dst !== 'default';
        networks.set(address, isNetwork ? route.dst : address);
      }
    }
    return networks;
  }
}
