/**
 * Random configurations and packets for `explain`, from one seed each: what it says of a packet is compared with where the
 * packet goes.
 */
import type { RawConfig } from '#wanmark/config/options.js';

type Random = () => number;

/** Addresses of the client, of servers, and of the router itself, by family. The last server lies behind a specific route. */
export const CLIENTS = {
  4: ['10.9.0.2', '10.9.0.3', '10.9.0.8', '10.9.0.9'],
  6: ['fd09::2', 'fd09::3', 'fd09::8', 'fd09::9'],
} as const;
export const SERVERS = {
  4: ['203.0.113.1', '203.0.113.2', '203.0.113.129', '198.51.100.7'],
  6: ['2001:db8:ff::1', '2001:db8:ff::2', '2001:db8:fe::1', '2001:db8:fd::7'],
} as const;
export const ROUTER = { 4: '10.9.0.1', 6: 'fd09::1' } as const;
/** Where servers listen. */
export const PORTS = [7000, 7001, 7002, 7003, 7004] as const;

/** A packet as the command line and the peer have it. */
export interface Probe {
  readonly family: 4 | 6;
  readonly proto: 'tcp' | 'udp';
  /** Undefined: the router itself. */
  readonly src: string | undefined;
  readonly dst: string;
  readonly dport: number;
}

/** What the daemon would have found out. */
export interface States {
  readonly down: string;
  readonly weights: Readonly<Record<string, number>>;
}

export class Draw {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  one<T>(all: readonly T[]): T {
    return all[this.below(all.length)]!;
  }

  isIn(parts: number): boolean {
    return this.below(parts) === 0;
  }

  /** Some of them, at least one, in their order. */
  some<T>(all: readonly T[]): T[] {
    const found = all.filter(() => this.isIn(2));
    return found.length > 0 ? found : [this.one(all)];
  }
}

const WANS = ['wan1', 'wan2', 'wan3'] as const;

/** @param mac the client's MAC address */
export function randomConfig(draw: Draw, mac: string): RawConfig {
  const wan = WANS.map((name, i) => {
    const k = i + 1;
    const weight = i === 0 ? 1 + draw.below(4) : draw.below(5);
    const via6 = i < 2 && draw.isIn(5) ? [] : [`via6=2001:db8:${k}::1`];
    const tier = draw.isIn(3) ? ['tier=2'] : [];
    return [name, `dev=w${k}`, `via=192.0.${k}.1`, ...via6, `weight=${weight}`, ...tier].join(',');
  });
  const names = ['gold', 'silver', 'bronze'].slice(0, draw.below(4));
  const policy = names.map((name, i) => {
    const use = draw.some(WANS).map((one) => {
      const tier = draw.isIn(3) ? ':tier=2' : '';
      return `${one}:weight=${1 + draw.below(4)}${tier}`;
    });
    // Only those before it, so that there is no circle.
    const none = draw.one(['main', 'unreachable', 'blackhole', 'default', ...names.slice(0, i)]);
    return `${name},use=${use.join('+')},none=${none}`;
  });
  const policies = ['default', 'direct', 'unreachable', ...WANS, ...names, ...names, ...names];
  const rule = Array.from({ length: draw.below(9) }, () => `${draw.one(policies)}${randomMatch(draw, mac)}`);
  const hasSet = rule.some((one) => one.includes('set='));
  const hasRules = rule.length > 0;
  return {
    wan,
    engine: draw.one(['kernel', 'nfqueue']),
    'kernel-mode': draw.one(['random', 'nth']),
    'last-resort': draw.one(['main', 'unreachable', 'blackhole']),
    ...(draw.isIn(4) ? { exclude: [SERVERS[4][2], SERVERS[6][2]] } : {}),
    ...(draw.isIn(4) ? { lan: ['lan0'] } : {}),
    ...(draw.isIn(5) ? { own: 'off' } : {}),
    ...(hasRules ? { rule } : {}),
    ...(hasRules && policy.length > 0 ? { policy } : {}),
    ...(hasSet
      ? { set: ['office,net=203.0.113.0/25+2001:db8:ff::/64', 'lab,net=203.0.113.2+10.0.0.0/8'] }
      : {}),
  };
}

/** The conditions of a rule: some, never none of them. */
function randomMatch(draw: Draw, mac: string): string {
  const v6 = draw.isIn(3);
  const not = () => (draw.isIn(4) ? '!' : '');
  const from = v6
    ? ['fd09::8/125', 'fd09::2', '::1/::1', 'fd09::3-fd09::8']
    : ['10.9.0.8/29', '10.9.0.2', '0.0.0.1/0.0.0.1', '10.9.0.3-10.9.0.8', '192.0.0.0/16'];
  const to = v6
    ? ['2001:db8:ff::/64', '2001:db8:fe::1', '2001:db8:fd::/48', '::2/::2']
    : ['203.0.113.0/25', '203.0.113.129', '198.51.100.0/24', '0.0.0.2/0.0.0.2', '203.0.113.1-203.0.113.2'];
  const ports = ['7000', '7001-7002', '7003+7004', '1-7000', '7002+7004-9000'];
  const ported = () => [
    `proto=${draw.one(['tcp', 'udp', 'tcp+udp'])}`,
    draw.isIn(4) ? `sport=${not()}1-20000` : `dport=${not()}${draw.one(ports)}`,
  ];
  const conditions: (() => string[])[] = [
    () => [`from=${not()}${draw.some(from).join('+')}`],
    () => [`to=${not()}${draw.some(to).join('+')}`],
    ported,
    () => [`proto=${not()}${draw.one(['tcp', 'udp', 'icmp'])}`],
    () => [`family=${v6 ? 6 : 4}`],
    () => [`set=${not()}${draw.some(['office', 'lab']).join('+')}`],
    () => [`own=${draw.one(['true', 'false'])}`],
    () => ['own=true', `uid=${not()}${draw.one(['0'])}`],
    () => [`own=false`, `in=${not()}${draw.one(['lan0', 'lan+', 'w1'])}`],
    () => [`own=false`, `mac=${not()}${draw.one([mac, '02:00:00:00:00:99'])}`],
    () => [`dscp=${not()}${draw.one(['0', 'ef'])}`],
    () => [`fwmark=${not()}0x10/0xf0`],
  ];
  const found = new Map<string, string>();
  for (const condition of draw.some(
    conditions.filter(() => draw.isIn(3)).concat(conditions[draw.below(3)]!),
  )) {
    for (const text of condition()) {
      const key = text.split('=', 1)[0]!;
      if (!found.has(key)) found.set(key, text);
    }
  }
  if (found.has('sport') || found.has('dport')) {
    if (/!|icmp/.test(found.get('proto')!)) found.set('proto', 'proto=tcp');
  }
  // What the router itself sends comes in by no device.
  if (found.has('uid')) found.set('own', 'own=true');
  if (found.get('own') === 'own=true') for (const key of ['in', 'mac']) found.delete(key);
  return [...found.values()].map((text) => `,${text}`).join('');
}

export function randomStates(draw: Draw): States {
  const down = WANS.flatMap((name) => {
    if (!draw.isIn(3)) return [];
    return [draw.isIn(2) ? name : `${name}/${draw.one([4, 6])}`];
  });
  return { down: down.join(' '), weights: draw.isIn(4) ? { wan2: draw.below(3) } : {} };
}

export function randomProbe(draw: Draw): Probe {
  const family = draw.isIn(3) ? 6 : 4;
  const src = draw.isIn(4) ? undefined : draw.one(CLIENTS[family]);
  const dst = src !== undefined && draw.isIn(8) ? ROUTER[family] : draw.one(SERVERS[family]);
  return { family, proto: draw.one(['tcp', 'udp']), src, dst, dport: draw.one(PORTS) };
}
