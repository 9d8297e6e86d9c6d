/** Random routers with random configurations, the same for the same seed. */
import type { Family } from '#wanmark/core/family.js';
import {
  type Address,
  type Device,
  type Facts,
  type MainRoute,
  NO_REDIRECTIONS,
  neighbourKey,
} from '#wanmark/plan/facts.js';
import { seeded } from '../helpers/random.js';

/** The router of a seed, and its user's options. */
export interface RandomRouter {
  /** The options, as in a configuration file. */
  readonly raw: Record<string, unknown>;
  readonly facts: Facts;
  /** Targets that are down, as ids, and current weights. */
  readonly down: readonly string[];
  readonly weights: readonly (readonly [string, number])[];
}

const PORTS = ['eth1', 'eth2', 'eth3', 'ppp0', 'wwan0', 'port0'] as const;

export function randomRouter(seed: number): RandomRouter {
  const random = seeded(seed);
  const chance = (part: number) => random() < part;
  const below = (count: number) => Math.floor(random() * count);
  const oneOf = <T>(list: readonly T[]): T => list[below(list.length)]!;

  const devices = new Map<string, Device>([
    ['lo', { index: 1, up: true, pointToPoint: false, ethernet: false }],
  ]);
  const addresses: Record<Family, Address[]> = { 4: [], 6: [] };
  const main: Record<Family, MainRoute[]> = { 4: [], 6: [] };
  const onLink = new Set<string>();
  const macs = new Map<string, string>();
  const networks = new Map<string, string>();

  const direct = (dev: string) => [{ dev, via: undefined, unusable: false }];
  const route = (dst: string, ways: MainRoute['ways'], metric = 0, isThrow = false) => ({
    dst,
    ways,
    metric,
    isThrow,
  });
  const addDevice = (name: string, index: number) => {
    if (!chance(0.9)) return;
    const pointToPoint = /^ppp|^wwan/.test(name);
    devices.set(name, { index, up: chance(0.93), pointToPoint, ethernet: !pointToPoint });
    if (chance(0.9)) {
      addresses[4].push({
        dev: name,
        address: name === 'ppp0' ? `203.0.113.${index}` : `192.0.${index}.2/24`,
      });
      if (name !== 'ppp0') main[4].push(route(`192.0.${index}.0/24`, direct(name)));
      if (chance(0.2)) addresses[4].push({ dev: name, address: `198.18.${index}.2/24` });
    }
    if (chance(0.6)) {
      addresses[6].push({ dev: name, address: `2001:db8:${index}::2/64` });
      main[6].push(route(`2001:db8:${index}::/64`, direct(name), 256));
    }
    const gateway = (family: Family) =>
      family === 4 ? `192.0.${index}.1` : chance(0.5) ? 'fe80::1' : `2001:db8:${index}::1`;
    for (const family of [4, 6] as const) {
      if (!chance(0.6)) continue;
      const via = name === 'ppp0' ? undefined : gateway(family);
      const way = { dev: name, via, unusable: chance(0.1) };
      const ways = chance(0.1) ? [way, { dev: oneOf(PORTS), via: gateway(family), unusable: false }] : [way];
      main[family].push(route('default', ways, oneOf([0, 100, 100, 1024])));
    }
    for (const k of [1, 2, 3]) {
      if (chance(0.85)) onLink.add(neighbourKey(name, `192.0.${index}.${k}`));
      if (chance(0.85)) onLink.add(neighbourKey(name, `2001:db8:${index}::${k}`));
      if (chance(0.8))
        macs.set(neighbourKey(name, `192.0.${index}.${k}`), `02:00:00:00:0${index}:0${oneOf([k, 1])}`);
    }
    if (chance(0.9)) onLink.add(neighbourKey(name, 'fe80::1'));
  };
  for (const [i, name] of PORTS.entries()) addDevice(name, i + 2);
  devices.set('lan0', { index: 20, up: true, pointToPoint: false, ethernet: true });
  main[4].push(
    route('10.0.0.0/8', direct('lan0')),
    route('10.1.0.0/16', [{ dev: 'lan0', via: '10.0.0.9', unusable: false }]),
  );
  if (chance(0.3)) main[4].push(route('172.31.0.0/16', []), route('172.30.0.0/16', [], 0, true));
  if (chance(0.3)) main[4].push(route('172.16.5.4', direct('wg0')));
  main[6].push(route('fd00:9::/64', direct('lan0'), 256));
  if (chance(0.3)) main[6].push(route('fd00::/8', [{ dev: 'lo', via: undefined, unusable: false }], 1024));

  const perPacket = chance(0.1);
  const kernel = perPacket || chance(0.3);
  const nth = chance(0.4);
  const weight = () => (nth ? oneOf([1, 1, 2, 3, 5]) : oneOf([1, 1, 2, 3, 5, 17, 100, 65535]));
  const mask = oneOf([0xff, 0xff, 0xff00, 0xf0, 0x3f]);
  const nats = perPacket
    ? ['none', 'none', 'none', '192.0.2.200', 'masquerade']
    : ['masquerade', 'masquerade', 'none', '192.0.2.200', '198.51.100.0/24'];
  const wan = PORTS.flatMap((dev, i) => {
    if (!chance(0.5)) return [];
    const index = i + 2;
    const count = dev === 'port0' ? 1 + below(3) : 1;
    return Array.from({ length: count }, (_, k) => {
      const shared = count > 1;
      const via = chance(0.85)
        ? shared || chance(0.6)
          ? `192.0.${index}.${k + 1}`
          : oneOf(['dev', 'auto'])
        : undefined;
      const via6 =
        chance(0.4) || via === undefined
          ? shared || chance(0.6)
            ? `2001:db8:${index}::${k + 1}`
            : oneOf(['dev', 'auto', 'fe80::1'])
          : undefined;
      return {
        name: `${dev}${shared ? `-${k}` : ''}${chance(0.1) ? '.long-name-it-has'.slice(0, 9) : ''}`,
        dev,
        ...(via === undefined ? {} : { via }),
        ...(via6 === undefined ? {} : { via6 }),
        weight: chance(0.1) ? 0 : weight(),
        tier: oneOf([1, 1, 1, 2, 7]),
        nat: oneOf(nats),
        ...(chance(0.3) ? { nat6: oneOf(['masquerade', 'none', '2001:db8:99::/64', '2001:db8:99::1']) } : {}),
      };
    });
  });
  if (!wan.some((one) => one.weight > 0) && wan.length > 0) wan[0]!.weight = 1;

  const services = chance(0.4) || wan.length === 0 ? 1 + below(3) : 0;
  const service: Record<string, unknown>[] = [];
  const backend: Record<string, unknown>[] = [];
  for (let i = 0; i < services; i++) {
    const six = chance(0.3);
    const proto = oneOf(['tcp', 'udp', 'any']);
    const ports = proto === 'any' ? '' : `:${oneOf(['80', '443', '8000-8100'])}`;
    const onDevice = chance(0.3);
    const address = onDevice
      ? `dev:${oneOf(['eth1', 'lan0', 'nowhere'])}`
      : six
        ? `2001:db8:50::${i + 1}`
        : `192.0.50.${i + 1}`;
    service.push({
      name: `svc${i}${chance(0.1) ? '-is-longish' : ''}`,
      listen: `${six && ports && !onDevice ? `[${address}]` : address}${ports}/${proto}`,
      snat: oneOf(['auto', 'auto', 'none', six ? 'fd00:9::1' : '10.0.0.1']),
    });
    const owner = service.at(-1)!.name;
    for (let k = 0; k < 1 + below(3); k++) {
      const to = six ? `fd00:9::${k + 5}` : `10.${oneOf([0, 1])}.0.${k + 5}`;
      const port = proto !== 'any' && chance(0.5) ? ':8080' : '';
      backend.push({
        service: owner,
        to: six && port ? `[${to}]${port}` : `${to}${port}`,
        weight: k > 0 && chance(0.2) ? 0 : weight(),
      });
      networks.set(to, six ? 'fd00:9::/64' : chance(0.5) ? '10.0.0.0/8' : to);
    }
  }

  const raw: Record<string, unknown> = {
    wan,
    ...(service.length > 0
      ? { service, backend, 'backend-mask': '0xff0000', ...(chance(0.5) ? { 'forward-accept': true } : {}) }
      : {}),
    mask: `0x${mask.toString(16)}`,
    engine: kernel ? 'kernel' : 'nfqueue',
    'kernel-mode': nth ? 'nth' : 'random',
    ...(perPacket ? { per: 'packet' } : {}),
    'last-resort': oneOf(['main', 'main', 'unreachable', 'blackhole']),
    'log-kernel': chance(0.2),
    ...(chance(0.2) ? { lan: chance(0.5) ? ['lan0'] : ['lan0', 'lan1'] } : {}),
    ...(chance(0.3) ? { exclude: ['100.64.0.0/10', '10.2.0.0/16', '2001:db8:9::/48', '192.168.1.1'] } : {}),
    'queue-num': String(oneOf([0, 0, 3])),
    ...(wan.length > 0 && chance(0.2) ? { queues: '4' } : {}),
    table: String(oneOf([1000, 5000])),
    priority: String(oneOf([20000, 100])),
  };
  const down = wan.flatMap(({ name }) =>
    (['4', '6'] as const).filter(() => chance(0.15)).map((f) => `${name}/${f}`),
  );
  const weights = chance(0.2) ? wan.slice(0, 1).map(({ name }) => [name, oneOf([1, 2, 4])] as const) : [];
  return {
    raw,
    facts: {
      devices,
      addresses,
      main,
      rules: { 4: [], 6: [] },
      onLink,
      macs,
      networks,
      strict: new Set(PORTS),
      redirections: NO_REDIRECTIONS,
    },
    down,
    weights,
  };
}
