import type { Family } from '../core/family.js';
import { carries, type Gateway, gatewayOf, type Wan } from '../core/wan.js';
import type { Links } from '../system/links.js';
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
  const addresses = links
    .addresses(wan.dev, family)
    .map(({ local, prefixLength }) => `${local}/${prefixLength}`);
  const gateway = effectiveGateway(wan, family, links);
  return [links.index(wan.dev), links.state(wan.dev), gateway, ...addresses].join(' ');
}

/**
 * The way of a probe by a WAN; undefined when the WAN does not carry the family. A device that is down still has a way,
 * whose probes fail, so that a WAN that comes back has to convince its checks anew. The way has no source address: the
 * kernel knows which addresses are deprecated, and which ones lead nowhere from where the target is (RFC 6724).
 *
 * @param mark shifted into the field
 */
export function pathOf(wan: Wan, family: Family, links: Links, mark: number): CheckPath | undefined {
  if (!carries(wan, family)) return undefined;
  const gateway = effectiveGateway(wan, family, links) ?? 'auto';
  const known = gateway === 'auto' ? undefined : gateway;
  return { wan: wan.name, family, mark, device: wan.dev, gateway: known };
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
