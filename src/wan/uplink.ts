import { BlockList } from 'node:net';
import type { Family } from '../core/family.js';
import { carries, type Gateway, gatewayOf, type Wan } from '../core/wan.js';
import { isLinkLocal, type LinkAddress, type Links } from '../system/links.js';
import type { CheckPath } from './check/check.js';
import type { Verdict } from './check-health.js';

const WORDS = {
  gone: 'is gone',
  'switched off': 'is switched off',
  'without carrier': 'has no carrier',
} as const;

/**
 * Judges a WAN in one family by its device and the way to its gateway; undefined when it does not carry the family.
 * A WAN that the plan would leave without a route is down here, too, since its table leads nowhere.
 */
export function linkVerdict(wan: Wan, family: Family, links: Links): Verdict | undefined {
  if (!carries(wan, family)) return undefined;
  const state = links.state(wan.dev);
  if (state !== 'up') return { up: false, reason: `device ${wan.dev} ${WORDS[state]}` };
  const given = givenGateway(wan, family);
  if (leads(wan.dev, family, given, links)) return { up: true, reason: `device ${wan.dev} is up` };
  if (links.addresses(wan.dev, family).length === 0) {
    return { up: false, reason: `device ${wan.dev} has no IPv${family} address` };
  }
  return {
    up: false,
    reason:
      given === 'auto'
        ? `the main table has no IPv${family} default route by device ${wan.dev}`
        : `gateway ${given} is not on the network of device ${wan.dev}`,
  };
}

/** Whether the way leads to the gateway. A device without a gateway may be unnumbered, so it needs no address. */
function leads(device: string, family: Family, given: string, links: Links): boolean {
  if (given === 'dev') return true;
  return given === 'auto'
    ? links.gateway(device, family) !== undefined
    : links.reaches(device, family, given);
}

/** A text that changes with a WAN's device, addresses or gateway: its table, rules or NAT may then have to change. */
export function wayOf(wan: Wan, family: Family, links: Links): string {
  if (!carries(wan, family)) return '';
  const addresses = links.addresses(wan.dev, family).map(({ address, netmask }) => `${address}/${netmask}`);
  const gateway = effectiveGateway(wan, family, links);
  return [links.index(wan.dev), links.state(wan.dev), gateway, ...addresses].join(' ');
}

/**
 * The way of a probe by a WAN; undefined when the WAN does not carry the family. A device that is down still has a way,
 * whose probes fail, so that a WAN that comes back has to convince its checks anew.
 *
 * @param mark shifted into the field
 * @param shared whether another WAN has the same device: then an address does not tell which of them it is, so the
 *   probe has none
 */
export function pathOf(
  wan: Wan,
  family: Family,
  links: Links,
  mark: number,
  shared: boolean,
): CheckPath | undefined {
  if (!carries(wan, family)) return undefined;
  const gateway = effectiveGateway(wan, family, links) ?? 'auto';
  const source = shared ? undefined : sourceOf(gateway, links.addresses(wan.dev, family));
  const known = gateway === 'auto' ? undefined : gateway;
  return { wan: wan.name, family, mark, device: wan.dev, source, gateway: known };
}

/** The gateway of a WAN that carries the family. */
function givenGateway(wan: Wan, family: Family): Gateway {
  return gatewayOf(wan, family) ?? 'dev';
}

/** The gateway, with `auto` replaced by what it stands for now; undefined when it stands for nothing. */
function effectiveGateway(wan: Wan, family: Family, links: Links): string | undefined {
  const given = givenGateway(wan, family);
  return given === 'auto' ? links.gateway(wan.dev, family) : given;
}

/**
 * The address on the gateway's network, else the first one that is not link-local; undefined leaves it to the kernel.
 */
function sourceOf(gateway: string, addresses: readonly LinkAddress[]): string | undefined {
  const usable = addresses.filter(({ address }) => !isLinkLocal(address));
  return (usable.find((one) => isNeighbour(gateway, one)) ?? usable[0])?.address;
}

function isNeighbour(gateway: string, { address, netmask, family }: LinkAddress): boolean {
  const kind = gateway.includes(':') ? 'ipv6' : 'ipv4';
  if (gateway === 'dev' || gateway === 'auto' || kind !== family.toLowerCase()) return false;
  const network = new BlockList();
  network.addSubnet(address, prefixLength(netmask), kind);
  return network.check(gateway, kind);
}

/** The prefix length of `255.255.255.0` or `ffff:ffff:ffff:ffff::`. */
function prefixLength(netmask: string): number {
  const six = netmask.includes(':');
  const words = netmask.split(six ? ':' : '.').map((word) => Number.parseInt(word || '0', six ? 16 : 10));
  return words.reduce((sum, word) => sum + word.toString(2).replaceAll('0', '').length, 0);
}
