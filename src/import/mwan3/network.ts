import { isIPv4, isIPv6 } from 'node:net';
import { DEVICE } from '../../config/wan.js';
import type { Family } from '../../core/family.js';
import { covers, readNetworks } from '../addresses.js';
import type { SourceLine } from '../source.js';
import type { Section } from '../uci/section.js';

/** What stands before the name of the interface in that of its device, by protocol; netifd's handlers make these names. */
const PREFIXES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ppp: 'ppp-',
    pppoe: 'pppoe-',
    pppoa: 'pppoa-',
    pptp: 'pptp-',
    l2tp: 'l2tp-',
    '3g': '3g-',
    '6in4': '6in4-',
    '6to4': '6to4-',
    '6rd': '6rd-',
  }),
);
/** Their devices have the interface's name. */
const NAMED_ALIKE = ['wireguard', 'amneziawg', 'openvpn'];
/** Longest name of a device, without the NUL (IFNAMSIZ). */
const LONGEST_DEVICE = 15;
/** The device of the first modem of most drivers. */
const FIRST_MODEM = 'wwan0';

/** An interface of OpenWrt, as far as an uplink needs it. */
export interface NetworkInterface {
  readonly dev: string;
  /** Whether the device is only likely. */
  readonly guessed: boolean;
  /** What `via` or `via6` is. */
  readonly via: (family: Family) => string;
  readonly lines: readonly SourceLine[];
}

/** The interfaces of /etc/config/network. */
export class Network {
  readonly #interfaces: ReadonlyMap<string, Section>;
  /** What the main table reaches by a route of its own, as far as the file has it. */
  readonly #reached: readonly string[];

  constructor(sections: readonly Section[]) {
    const named = sections.filter(({ type, name }) => type === 'interface' && name !== undefined);
    this.#interfaces = new Map(named.map((section) => [section.name!, section]));
    const reached = sections
      .flatMap(reachedBy)
      .map(readOne)
      .filter((one) => one !== undefined);
    this.#reached = reached.filter((one) => !one.endsWith('/0'));
  }

  /** Whether the main table reaches all of a network by a route of its own: that of a fixed address, or one that is given. */
  reaches(network: string): boolean {
    return this.#reached.some((one) => covers(one, network));
  }

  get names(): readonly string[] {
    return [...this.#interfaces.keys()];
  }

  /** @returns undefined for one that there is not, or of which no device is known */
  get(name: string): NetworkInterface | undefined {
    const section = this.#interfaces.get(name);
    const device = section && this.#device(section, new Set());
    if (section === undefined || device === undefined || !DEVICE.test(device.dev)) return undefined;
    const isPointToPoint = device.isPointToPoint || NAMED_ALIKE.includes(this.#protocolOf(device.dev));
    const gateway = (family: Family): string | undefined => {
      const address = section.get(family === 4 ? 'gateway' : 'ip6gw') ?? '';
      return (family === 4 ? isIPv4(address) : isIPv6(address)) ? address : undefined;
    };
    return {
      dev: device.dev,
      guessed: device.guessed,
      via: (family) => (isPointToPoint ? 'dev' : (gateway(family) ?? 'auto')),
      lines: section.lines('device', 'ifname', 'proto', ...(isPointToPoint ? [] : ['gateway', 'ip6gw'])),
    };
  }

  #protocolOf(name: string): string {
    return this.#interfaces.get(name)?.get('proto') ?? '';
  }

  /** @param seen interfaces whose alias this one is, against circles */
  #device(
    section: Section,
    seen: Set<string>,
  ): { dev: string; guessed: boolean; isPointToPoint: boolean } | undefined {
    const name = section.name!;
    const proto = section.get('proto') ?? '';
    const given = (section.get('device') ?? section.get('ifname'))?.split(/\s+/)[0];
    if (given?.startsWith('@')) {
      const other = this.#interfaces.get(given.slice(1));
      return other === undefined || seen.has(name) ? undefined : this.#device(other, seen.add(name));
    }
    const known = (dev: string, isPointToPoint = false) => ({ dev, guessed: false, isPointToPoint });
    const prefix = PREFIXES.get(proto);
    if (prefix !== undefined) {
      // 3g has a serial port for its device, or already that of the network.
      const isMade = given?.startsWith(prefix) || (proto === '3g' && given !== undefined && !isPort(given));
      const dev = isMade ? given! : (section.get('pppname') ?? `${prefix}${name}`.slice(0, LONGEST_DEVICE));
      return known(dev, true);
    }
    if (NAMED_ALIKE.includes(proto)) return known(given ?? name, true);
    if (given === undefined) return undefined;
    if (section.get('type') === 'bridge') return known(`br-${name}`.slice(0, LONGEST_DEVICE));
    return isPort(given) ? { dev: FIRST_MODEM, guessed: true, isPointToPoint: false } : known(given);
  }
}

/** Networks as a section has them: an address and a mask, or both in one. */
function reachedBy(section: Section): readonly string[] {
  const within = (address: string, mask: string | undefined) =>
    mask === undefined || address.includes('/') ? address : `${address}/${mask}`;
  if (section.type === 'interface' && section.get('proto') === 'static') {
    const four = section.all('ipaddr').map((address) => within(address, section.get('netmask')));
    return [...four, ...section.all('ip6addr')];
  }
  if (section.type !== 'route' && section.type !== 'route6') return [];
  if (section.get('table') !== undefined) return [];
  return section.all('target').map((target) => within(target, section.get('netmask')));
}

/** A network as others are compared with it; undefined for what is none. */
function readOne(text: string): string | undefined {
  const networks = readNetworks([text]);
  return typeof networks === 'string' ? undefined : networks.list[0];
}

/** Whether it is the control port of a modem, as /dev/cdc-wdm0, or its place on a bus. */
function isPort(device: string): boolean {
  return device.startsWith('/');
}
