/**
 * Random configurations and packets for `explain`, from one seed each: what it says of a packet is compared with where the
 * packet goes.
 */
import type { RawConfig } from '#wanmark/config/options.js';
import type { Family } from '#wanmark/core/family.js';
import type { Draw } from './explain-draw.js';
import {
  CLIENTS,
  MARKED,
  PORTS,
  ROUTER,
  SECOND,
  SERVERS,
  SERVICE_PORT,
  STRANGER,
} from './explain-machine.js';
import { randomMatch, SETS } from './explain-match.js';

/** A packet as the command line and the peer have it. */
export interface Probe {
  readonly family: Family;
  readonly proto: 'tcp' | 'udp';
  /** Undefined: the router itself. */
  readonly src: string | undefined;
  readonly dst: string;
  readonly dport: number;
  /** The device of the router that it comes in by; undefined for its own. */
  readonly in: string | undefined;
  /** The mark that somebody gives it before our rules. */
  readonly mark: number;
}

/** What the daemon would have found out. */
export interface States {
  readonly down: string;
  readonly weights: Readonly<Record<string, number>>;
}

const WANS = ['wan1', 'wan2', 'wan3'] as const;
/** A WAN that shares the device of the first. */
const SHARED = 'wan4';

/** @param mac the client's MAC address @param listed a file with networks */
export function randomConfig(draw: Draw, mac: string, listed: string): RawConfig {
  const names = [...WANS, ...(draw.isIn(3) ? [SHARED] : [])];
  const wan = names.map((name, i) => {
    const weight = i === 0 ? 1 + draw.below(4) : draw.below(5);
    const tier = draw.isIn(3) ? ['tier=2'] : [];
    return [name, ...wayOf(name, i > 0 || !draw.isIn(5)), `weight=${weight}`, ...tier].join(',');
  });
  const own = ['gold', 'silver', 'bronze'].slice(0, draw.below(4));
  const policy = own.map((name, i) => {
    const use = draw.some(names).map((one) => {
      const tier = draw.isIn(3) ? ':tier=2' : '';
      return `${one}:weight=${1 + draw.below(4)}${tier}`;
    });
    // Only those before it, so that there is no circle.
    const none = draw.one(['main', 'unreachable', 'blackhole', 'default', ...own.slice(0, i)]);
    return `${name},use=${use.join('+')},none=${none}`;
  });
  const policies = ['default', 'direct', 'unreachable', ...names, ...own, ...own, ...own];
  const rule = Array.from({ length: draw.below(9) }, () => `${draw.one(policies)}${randomMatch(draw, mac)}`);
  const hasRules = rule.length > 0;
  return {
    wan,
    engine: draw.one(['kernel', 'nfqueue']),
    'kernel-mode': draw.one(['random', 'nth']),
    'last-resort': draw.one(['main', 'unreachable', 'blackhole']),
    ...(draw.isIn(3) ? { exclude: randomExcluded(draw) } : {}),
    ...(draw.isIn(4) ? { lan: ['lan0'] } : {}),
    ...(draw.isIn(5) ? { own: 'off' } : {}),
    ...(draw.isIn(3) ? { 'respect-marks': 'off' } : {}),
    ...(draw.isIn(3) ? randomServices(draw) : {}),
    ...(hasRules ? { rule } : {}),
    ...(hasRules && policy.length > 0 ? { policy } : {}),
    ...(rule.some((one) => one.includes('set=')) ? { set: SETS.map((name) => setOf(name, listed)) } : {}),
  };
}

/** The device, gateways and translation of a WAN. */
function wayOf(name: string, hasIpv6: boolean): string[] {
  const k = name === SHARED ? 1 : WANS.indexOf(name as (typeof WANS)[number]) + 1;
  const host = name === SHARED ? 3 : 1;
  const nat = name === SHARED ? [`nat=${SECOND[4]}`, `nat6=${SECOND[6]}`] : [];
  return [`dev=w${k}`, `via=192.0.${k}.${host}`, ...(hasIpv6 ? [`via6=2001:db8:${k}::${host}`] : []), ...nat];
}

/** Single servers, networks, or more networks than are listed as rules. */
function randomExcluded(draw: Draw): string[] {
  return draw.one([
    [SERVERS[4][2], SERVERS[6][2]],
    ['203.0.113.128/25', '2001:db8:ff::/64'],
    ['203.0.113.1', ...Array.from({ length: 70 }, (_, i) => `198.18.${i}.0/24`)],
  ]);
}

function setOf(name: (typeof SETS)[number], listed: string): string {
  switch (name) {
    case 'office':
      return 'office,net=203.0.113.0/25+2001:db8:ff::/64';
    case 'lab':
      return 'lab,net=203.0.113.2+10.0.0.0/8';
    case 'listed':
      return `listed,file=${listed}`;
    default:
      return `${name},external`;
  }
}

/** A service of each family at most, by which the LAN, the Internet and the router itself come to servers of the LAN, or of the Internet. */
function randomServices(draw: Draw): RawConfig {
  const services = ([4, 6] as const).filter(() => !draw.isIn(3));
  if (services.length === 0) return {};
  const bracketed = (address: string) => (address.includes(':') ? `[${address}]` : address);
  return {
    service: services.map((family) => {
      const address = draw.one([...Object.values(ROUTER[family]), 'dev:lan0', 'dev:w2']);
      const at = address.startsWith('dev:') ? address : bracketed(address);
      const snat = draw.isIn(3) ? [] : [`snat=${draw.one(['auto', ROUTER[family].lan0!])}`];
      return [`web${family}`, `listen=${at}:${SERVICE_PORT}/${draw.one(['tcp', 'udp'])}`, ...snat].join(',');
    }),
    backend: services.flatMap((family) =>
      draw
        .some(draw.isIn(4) ? SERVERS[family].slice(0, 2) : CLIENTS[family].slice(0, 2))
        .map((to) => `web${family},to=${bracketed(to)}:${draw.one(PORTS)},weight=${1 + draw.below(3)}`),
    ),
  };
}

/** Whether a packet is for a service whose servers are in the LAN: nobody in the Internet knows these. */
export function isForLan({ family, dport }: Probe, { backend = [] }: RawConfig): boolean {
  const isClient = (to: string) => CLIENTS[family].some((one) => to.includes(one));
  return (
    dport === SERVICE_PORT &&
    (backend as string[]).some((one) => one.startsWith(`web${family},`) && isClient(one))
  );
}

export function randomStates(draw: Draw, { wan }: RawConfig): States {
  const down = [...WANS, SHARED].slice(0, (wan as string[]).length).flatMap((name) => {
    if (!draw.isIn(3)) return [];
    return [draw.isIn(2) ? name : `${name}/${draw.one([4, 6])}`];
  });
  return { down: down.join(' '), weights: draw.isIn(4) ? { wan2: draw.below(3) } : {} };
}

export function randomProbe(draw: Draw, hasServices: boolean): Probe {
  const family = draw.isIn(3) ? 6 : 4;
  const proto = draw.one(['tcp', 'udp'] as const);
  const toService = hasServices && draw.isIn(3);
  const dport = toService ? SERVICE_PORT : draw.one(PORTS);
  const here = Object.entries(ROUTER[family]);
  if (draw.isIn(8)) {
    const [device, dst] = draw.one(here.filter(([name]) => name !== 'lan0'));
    // Nothing tells beforehand whether IPv6 answers have a way; of IPv4, rp_filter asks.
    const src = draw.one(family === 4 ? [SERVERS[4][0], STRANGER[4]] : [STRANGER[6]]);
    return { family, proto, src, dst, dport, in: device, mark: 0 };
  }
  const isOwn = draw.isIn(4);
  const marked = Object.entries(MARKED[family]);
  const [src, mark = 0] = draw.isIn(4) ? draw.one(marked) : [draw.one(CLIENTS[family])];
  const isLocal = toService || (!isOwn && draw.isIn(8));
  const dst = isLocal ? draw.one(here)[1] : draw.one(SERVERS[family]);
  if (isOwn) return { family, proto, src: undefined, dst, dport, in: undefined, mark: 0 };
  return { family, proto, src, dst, dport, in: 'lan0', mark };
}
