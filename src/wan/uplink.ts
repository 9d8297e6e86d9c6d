import { BlockList } from 'node:net';
import { carries, type Wan } from '../core/wan.js';
import type { LinkAddress, Links } from '../system/links.js';
import type { CheckPath } from './check/check.js';
import type { Verdict } from './check-health.js';

const WORDS = {
  gone: 'is gone',
  'switched off': 'is switched off',
  'without carrier': 'has no carrier',
} as const;

/** What a WAN's device says of it in one family; undefined when it does not carry it. */
export function linkVerdict(wan: Wan, family: 4 | 6, links: Links): Verdict | undefined {
  if (!carries(wan, family)) return undefined;
  const state = links.state(wan.dev);
  if (state !== 'up') return { up: false, reason: `device ${wan.dev} ${WORDS[state]}` };
  // A device without gateway may be unnumbered; a gateway cannot be reached without a network of its own.
  if (gatewayOf(wan, family) !== 'dev' && links.addresses(wan.dev, family).length === 0) {
    return { up: false, reason: `device ${wan.dev} has no IPv${family} address` };
  }
  return { up: true, reason: `device ${wan.dev} is up` };
}

/**
 * The way of a probe by a WAN; undefined when it does not carry the family. While the device is down there is one, too,
 * and the probe fails: a WAN that comes back has to convince its checks anew.
 *
 * @param mark shifted into the field
 * @param shared whether another WAN has the same device: then an address says nothing about which of them it is, and
 *   `ip rule from ADDRESS`, which comes before the mark's, would lead all probes to the first
 */
export function pathOf(
  wan: Wan,
  family: 4 | 6,
  links: Links,
  mark: number,
  shared: boolean,
): CheckPath | undefined {
  if (!carries(wan, family)) return undefined;
  const gateway = gatewayOf(wan, family);
  const source = shared ? undefined : sourceOf(gateway, links.addresses(wan.dev, family));
  const known = gateway === 'auto' ? undefined : gateway;
  return { wan: wan.name, family, mark, device: wan.dev, source, gateway: known };
}

function gatewayOf(wan: Wan, family: 4 | 6): string {
  return (family === 6 ? wan.via6 : wan.via) ?? 'dev';
}

/** The address on the gateway's network, else the first that is not link-local; undefined: the kernel's choice. */
function sourceOf(gateway: string, addresses: readonly LinkAddress[]): string | undefined {
  const usable = addresses.filter(({ address }) => !/^fe[89ab]/i.test(address));
  return (usable.find((one) => isNeighbour(gateway, one)) ?? usable[0])?.address;
}

function isNeighbour(gateway: string, { address, netmask, family }: LinkAddress): boolean {
  const kind = gateway.includes(':') ? 'ipv6' : 'ipv4';
  if (gateway === 'dev' || gateway === 'auto' || kind !== family.toLowerCase()) return false;
  const network = new BlockList();
  network.addSubnet(address, prefixLength(netmask), kind);
  return network.check(gateway, kind);
}

/** Of `255.255.255.0` or `ffff:ffff:ffff:ffff::`. */
function prefixLength(netmask: string): number {
  const six = netmask.includes(':');
  const words = netmask.split(six ? ':' : '.').map((word) => Number.parseInt(word || '0', six ? 16 : 10));
  return words.reduce((sum, word) => sum + word.toString(2).replaceAll('0', '').length, 0);
}
