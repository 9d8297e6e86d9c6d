import { setTimeout } from 'node:timers/promises';
import type { Config } from '../config/config.js';
import { formatAddress, parseAddress } from '../core/address.js';
import { FAMILIES, type Family } from '../core/family.js';
import { gatewayOf } from '../core/wan.js';
import { neighbourKey } from '../plan/facts.js';
import { KERNEL, type Kernel } from './rtnetlink/kernel.js';

/** How often, and how many times, the kernel is asked whether it has resolved a neighbour. */
const PACE_MS = 100;
const MOST_LOOKS = 10;

/** The gateway of a WAN on a device that it shares with another one. */
export interface SharedGateway {
  readonly family: Family;
  readonly dev: string;
  /** The gateway as the configuration spells it. */
  readonly via: string;
}

/** The gateways whose MAC addresses tell the WANs on one device apart. */
export function sharedGateways({ wans }: Pick<Config, 'wans'>): SharedGateway[] {
  return FAMILIES.flatMap((family) => {
    const ways = wans.flatMap((wan) => {
      const { dev } = wan;
      const via = gatewayOf(wan, family);
      return dev === '' || via === undefined ? [] : [{ family, dev, via }];
    });
    const isShared = (dev: string) => ways.filter((way) => way.dev === dev).length > 1;
    // A WAN with `auto` has its device for itself.
    return ways.filter(({ dev, via }) => via !== 'dev' && via !== 'auto' && isShared(dev));
  });
}

/** The MAC addresses of gateways that the kernel knows, by {@link neighbourKey}. @throws Error with `errno` */
export function readMacs(
  gateways: readonly SharedGateway[],
  kernel: Pick<Kernel, 'links' | 'neighbours'> = KERNEL,
): Map<string, string> {
  const macs = new Map<string, string>();
  if (gateways.length === 0) return macs;
  const names = new Map(kernel.links().map(({ index, name }) => [index, name]));
  for (const family of FAMILIES) {
    const wanted = gateways.filter((gateway) => gateway.family === family);
    if (wanted.length === 0) continue;
    const known = new Map(
      kernel
        .neighbours(family)
        .map(({ index, address, mac }) => [neighbourKey(names.get(index) ?? '', address), mac]),
    );
    for (const { dev, via } of wanted) {
      const mac = known.get(neighbourKey(dev, formatAddress(parseAddress(via), 0, family)));
      if (mac !== undefined) macs.set(neighbourKey(dev, via), mac);
    }
  }
  return macs;
}

/** The parts of the world that {@link askNeighbours} needs; replace them in tests. */
export interface Asking {
  readonly kernel?: Pick<Kernel, 'links' | 'neighbours' | 'resolve'>;
  readonly sleep?: (ms: number) => Promise<unknown>;
}

/**
 * Makes the kernel resolve the gateways on shared devices whose MAC address it does not know, and waits until it knows
 * all of them, a second at most. Resolving needs CAP_NET_ADMIN; without it nothing is resolved.
 *
 * @param remembered earlier MAC addresses, by {@link neighbourKey}: a gateway that is away for a moment keeps its own
 * @returns the known or remembered address of each current gateway
 * @throws Error with `errno` where the kernel does not answer
 */
export async function askNeighbours(
  config: Pick<Config, 'wans'>,
  remembered: ReadonlyMap<string, string>,
  { kernel = KERNEL, sleep = setTimeout }: Asking = {},
): Promise<Map<string, string>> {
  const gateways = sharedGateways(config);
  let known = readMacs(gateways, kernel);
  const asked = ask(
    gateways.filter(({ dev, via }) => !known.has(neighbourKey(dev, via))),
    kernel,
  );
  for (let looks = 0; looks < MOST_LOOKS && asked.some((key) => !known.has(key)); looks++) {
    await sleep(PACE_MS);
    known = readMacs(gateways, kernel);
  }
  const macs = new Map<string, string>();
  for (const { dev, via } of gateways) {
    const key = neighbourKey(dev, via);
    const mac = known.get(key) ?? remembered.get(key);
    if (mac !== undefined) macs.set(key, mac);
  }
  return macs;
}

/** Asks for gateways. @returns the keys of those that an answer may come for */
function ask(gateways: readonly SharedGateway[], kernel: Pick<Kernel, 'links' | 'resolve'>): string[] {
  if (gateways.length === 0) return [];
  const indexes = new Map(kernel.links().map(({ name, index }) => [name, index]));
  return gateways
    .filter(({ family, dev, via }) => {
      const index = indexes.get(dev);
      if (index === undefined) return false;
      try {
        kernel.resolve(family, via, index);
        return true;
      } catch {
        // The device is down, or has just gone.
        return false;
      }
    })
    .map(({ dev, via }) => neighbourKey(dev, via));
}
