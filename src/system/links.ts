import { readFileSync } from 'node:fs';
import { formatAddress, parseAddress } from '../core/address.js';
import type { Family } from '../core/family.js';
import { isExhausted } from './exhausted.js';
import { type DefaultWay, defaultGateway, deviceIndex, isOnLink, readDefaultWays } from './main-routes.js';
import { dumpAddressesOf, type InterfaceAddress } from './rtnetlink/addresses.js';

/** Whether packets can leave by a device, or why not. */
export type LinkState = 'up' | 'gone' | 'switched off' | 'without carrier';

/** An address of a device. */
export type LinkAddress = Pick<InterfaceAddress, 'local' | 'prefixLength'>;

/**
 * All devices at one moment. Read without starting a program, since a dead device must be known within milliseconds.
 */
export interface Links {
  state(device: string): LinkState;
  /** The addresses of one family; none while the device is not up. */
  addresses(device: string, family: Family): readonly LinkAddress[];
  /** The number that tells a device that went and came back from the old one; 0 when it does not exist. */
  index(device: string): number;
  /**
   * What `auto` stands for: the gateway of the main table's best default route by the device; `dev` where that route
   * has no gateway, and for a point-to-point device with an address; undefined when there is none; `auto` when it
   * cannot be known.
   */
  gateway(device: string, family: Family): string | undefined;
  /**
   * Whether `address` can be the gateway of a route by the device: it is a neighbour, or the main table's own default
   * route has it. True when it cannot be known.
   */
  reaches(device: string, family: Family, address: string): boolean;
}

const IFF_UP = 1;
const IFF_POINTOPOINT = 0x10;

/**
 * Reads the devices, which takes a fraction of a millisecond. Of a machine with a thousand of them only those that somebody
 * asks for are looked at.
 * @param ways the usable default ways of a family
 * @throws what isExhausted() knows, as do the answers: what cannot be looked at now is not gone
 */
export function readLinks(
  ways: (family: Family) => readonly DefaultWay[] | undefined = readDefaultWays,
): Links {
  const devices = readDevices();
  const defaults = once(ways);
  const state = once((device: string) =>
    devices === undefined || devices.has(device) ? stateOf(device) : 'gone',
  );
  const addressesOf = once((id: `${string}/${Family}`): readonly LinkAddress[] => {
    const [device = '', family] = id.split('/');
    return state(device) === 'up' ? readAddresses(device, family === '4' ? 4 : 6) : [];
  });
  const addresses = (device: string, family: Family) => addressesOf(`${device}/${family}`);
  return {
    state,
    addresses,
    index: deviceIndex,
    gateway: (device, family) => {
      const main = defaults(family);
      if (main === undefined) return 'auto';
      const numbered = addresses(device, family).some(({ local }) => !isLinkLocal(local));
      return (
        defaultGateway(main, deviceIndex(device)) ?? (numbered && isPointToPoint(device) ? 'dev' : undefined)
      );
    },
    reaches: (device, family, address) => {
      const index = deviceIndex(device);
      if (isOnLink(family, address, index) ?? true) return true;
      const gateway = formatAddress(parseAddress(address), 0, family);
      return defaults(family)?.some((way) => way.index === index && way.gateway === gateway) ?? false;
    },
  };
}

/** Whether an address is in fe80::/10. IPv4 addresses never count as link-local here. */
export function isLinkLocal(address: string): boolean {
  return /^fe[89ab]/i.test(address);
}

/**
 * The devices of this network namespace, whichever namespace /sys was mounted in; undefined where they cannot be read.
 */
export function readDevices(): ReadonlySet<string> | undefined {
  try {
    // Lines are "  eth0: 123 ..." below a heading of two lines; a name has no colon and no blank (dev_valid_name).
    const lines = readFileSync('/proc/net/dev', 'utf8').trimEnd().split('\n').slice(2);
    return new Set(lines.map((line) => line.trim().split(':', 1)[0]!));
  } catch (error) {
    if (isExhausted(error)) throw error;
    return undefined;
  }
}

/** The state by RFC 2863: a device without carrier detection is `unknown`, which counts as up. */
function stateOf(device: string): LinkState {
  try {
    if ((flagsOf(device) & IFF_UP) === 0) return 'switched off';
    const state = readFileSync(`/sys/class/net/${device}/operstate`, 'utf8').trim();
    return state === 'up' || state === 'unknown' ? 'up' : 'without carrier';
  } catch {
    // The state cannot be read, and no device is called dead for that.
    return 'up';
  }
}

function isPointToPoint(device: string): boolean {
  try {
    return (flagsOf(device) & IFF_POINTOPOINT) !== 0;
  } catch {
    return false;
  }
}

function flagsOf(device: string): number {
  return Number(readFileSync(`/sys/class/net/${device}/flags`, 'utf8').trim());
}

function readAddresses(device: string, family: Family): readonly LinkAddress[] {
  try {
    return dumpAddressesOf(deviceIndex(device), family);
  } catch (error) {
    if (isExhausted(error)) throw error;
    // The device has just gone, or the kernel has no such family.
    return [];
  }
}

/** Asks once for each thing, and then knows. */
function once<K, V>(ask: (thing: K) => V): (thing: K) => V {
  const known = new Map<K, V>();
  return (thing) => {
    if (!known.has(thing)) known.set(thing, ask(thing));
    return known.get(thing) as V;
  };
}
