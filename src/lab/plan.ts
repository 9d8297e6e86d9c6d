import { UsageError } from '../errors.js';
import {
  type Cable,
  type HostPlan,
  type LabWan,
  MAX_WANS,
  type Network,
  type NetworkOptions,
  SERVER,
  VPN_SERVER,
} from './network.js';

const LAN_DEV = 'lan0';
const NET_DEV = 'net0';

function inRange(value: number, low: number, high: number, what: string): number {
  if (Number.isInteger(value) && value >= low && value <= high) return value;
  throw new UsageError(`${what} must be a whole number from ${low} to ${high}, not ${value}`);
}

function planWan(k: number, options: NetworkOptions, ipv6: boolean): LabWan {
  const shared = options.sharedPort === true;
  const wan = {
    name: `wan${k}`,
    gateway: `gw${k}`,
    number: k,
    weight: options.weights?.[k - 1] ?? 1,
    tier: options.tiers?.[k - 1] ?? 1,
  };
  const outside = [`203.0.113.${100 + k}`, ...(ipv6 ? [`2001:db8:f::${100 + k}`] : [])];
  if (shared) {
    const six = ipv6 ? { via6: `2001:db8:a00::${100 + k}`, address6: '2001:db8:a00::1' } : {};
    const four = { via: `192.0.2.${100 + k}`, address: '192.0.2.1' };
    return { ...wan, ...four, ...six, dev: 'wan0', nat: 'none', sources: outside, inbound: outside };
  }
  const link = 8 * (k - 1);
  const link6 = `2001:db8:${(0xa00 + k).toString(16)}::`;
  const address = `198.51.100.${link + 2}`;
  const own = [address, ...(ipv6 ? [`${link6}2`] : [])];
  const six = ipv6 ? { via6: `${link6}1`, address6: `${link6}2` } : {};
  const four = { via: `198.51.100.${link + 1}`, address };
  return { ...wan, ...four, ...six, dev: wan.name, nat: 'masquerade', sources: own, inbound: own };
}

/** Leaves out texts with an IPv6 address, known by the colon, unless the lab has IPv6. */
function only(ipv6: boolean, texts: readonly string[]): string[] {
  return texts.filter((text) => ipv6 || !text.includes(':'));
}

function on(dev: string, ipv6: boolean, four: string, six: string | undefined) {
  const addresses = [four, ...(ipv6 && six !== undefined ? [six] : [])];
  return addresses.map((address) => ({ dev, address }));
}

function prefix(address: string | undefined, length: number): string | undefined {
  return address === undefined ? undefined : `${address}/${length}`;
}

function planLanHost(name: string, numbers: readonly number[], ipv6: boolean): HostPlan {
  return {
    name,
    addresses: numbers.flatMap((n) => on(LAN_DEV, ipv6, `10.0.0.${n}/24`, `2001:db8:10::${n}/64`)),
    routes: only(ipv6, ['default via 10.0.0.1', 'default via 2001:db8:10::1']),
    forwards: false,
    rpFilter: 0,
  };
}

function planRouter(wans: readonly LabWan[], vpn: boolean, ipv6: boolean): HostPlan {
  const [first] = wans as [LabWan, ...LabWan[]];
  const shared = first.nat === 'none';
  const uplinks = (shared ? [first] : wans).flatMap((wan) =>
    on(wan.dev, ipv6, `${wan.address}/${shared ? 24 : 29}`, prefix(wan.address6, 64)),
  );
  return {
    name: 'router',
    addresses: [
      ...on(LAN_DEV, ipv6, '10.0.0.1/24', '2001:db8:10::1/64'),
      ...uplinks,
      ...(vpn ? on('vpn0', ipv6, '10.99.0.1/24', '2001:db8:99::1/64') : []),
    ],
    routes: only(ipv6, [
      `default via ${first.via}`,
      ...(first.via6 ? [`default via ${first.via6}`] : []),
      ...(vpn ? ['172.16.0.0/24 via 10.99.0.2', '2001:db8:98::/64 via 2001:db8:99::2'] : []),
    ]),
    forwards: true,
    rpFilter: 1,
  };
}

function planGateway(wan: LabWan, ipv6: boolean): HostPlan {
  const shared = wan.nat === 'none';
  const at = only(ipv6, [`203.0.113.${100 + wan.number}`, `2001:db8:f::${100 + wan.number}`]);
  return {
    name: wan.gateway,
    addresses: [
      ...on('up0', ipv6, `${wan.via}/${shared ? 24 : 29}`, prefix(wan.via6, 64)),
      ...on(NET_DEV, ipv6, `${at[0]}/24`, prefix(at[1], 64)),
    ],
    routes: shared ? only(ipv6, ['10.0.0.0/24 via 192.0.2.1', '2001:db8:10::/64 via 2001:db8:a00::1']) : [],
    forwards: true,
    rpFilter: 0,
    ...(shared ? { nat: { dev: NET_DEV, at, exposes: only(ipv6, ['192.0.2.1', '2001:db8:a00::1']) } } : {}),
  };
}

function planServer(wans: readonly LabWan[], ipv6: boolean): HostPlan {
  const routes = wans.flatMap((wan) =>
    wan.nat === 'none'
      ? []
      : [
          `${wan.address}/32 via 203.0.113.${100 + wan.number}`,
          `${wan.address6}/128 via 2001:db8:f::${100 + wan.number}`,
        ],
  );
  return {
    name: 'server',
    addresses: on(NET_DEV, ipv6, `${SERVER[4]}/24`, `${SERVER[6]}/64`),
    routes: only(ipv6, routes),
    forwards: false,
    rpFilter: 0,
  };
}

function planVpn(ipv6: boolean): HostPlan {
  return {
    name: 'vpn',
    addresses: [
      ...on('vpn0', ipv6, '10.99.0.2/24', '2001:db8:99::2/64'),
      ...on('lo', ipv6, `${VPN_SERVER[4]}/32`, `${VPN_SERVER[6]}/128`),
    ],
    routes: only(ipv6, ['default via 10.99.0.1', 'default via 2001:db8:99::1']),
    forwards: false,
    rpFilter: 0,
  };
}

/**
 * Plans the lab's network without making anything. The outside has documentation addresses (RFC 5737, RFC 3849), the
 * LAN has RFC 1918 ones.
 * ```
 * client1.. --[lan]-- router --wan1-- gw1 --[net]-- server      separate ports: the router does the NAT
 *                        |  --wan2-- gw2 ----'
 * lanserver --'         vpn
 *
 *                     router --wan0--[uplink]-- gw1 --[net]-- server   one port: the gateways do the NAT
 *                                         '---- gw2 ----'
 * ```
 * `[x]` is a bridge in the namespace `switch`.
 * @throws {UsageError} for a number out of range
 */
export function planNetwork(options: NetworkOptions = {}): Network {
  const ipv6 = options.ipv6 ?? true;
  const sharedPort = options.sharedPort === true;
  const count = inRange(options.wans ?? options.weights?.length ?? 3, 1, MAX_WANS, 'the number of WANs');
  if (options.weights && options.weights.length !== count) {
    throw new UsageError(
      `${options.weights.length} weights do not fit ${count} WANs; give one weight per WAN`,
    );
  }
  const clients = inRange(options.clients ?? 1, 1, 10, 'the number of clients');
  const each = inRange(options.clientAddresses ?? 1, 1, 20, 'the number of addresses of a client');
  const wans = Array.from({ length: count }, (_, i) => planWan(i + 1, options, ipv6));

  const lanHosts = Array.from({ length: clients }, (_, i) =>
    planLanHost(
      `client${i + 1}`,
      Array.from({ length: each }, (_, j) => 11 + 20 * i + j),
      ipv6,
    ),
  );
  if (options.lanServer) lanHosts.push(planLanHost('lanserver', [250], ipv6));
  const gateways = wans.map((wan) => planGateway(wan, ipv6));
  const router = planRouter(wans, options.vpn === true, ipv6);

  const cables: Cable[] = [router, ...lanHosts].map(({ name }) => ({
    host: name,
    dev: LAN_DEV,
    bridge: 'lan',
  }));
  if (sharedPort) cables.push({ host: 'router', dev: 'wan0', bridge: 'uplink' });
  for (const wan of wans) {
    cables.push(
      sharedPort
        ? { host: wan.gateway, dev: 'up0', bridge: 'uplink' }
        : { host: 'router', dev: wan.dev, peer: wan.gateway, peerDev: 'up0' },
      { host: wan.gateway, dev: NET_DEV, bridge: 'net' },
    );
  }
  cables.push({ host: 'server', dev: NET_DEV, bridge: 'net' });
  if (options.vpn) cables.push({ host: 'router', dev: 'vpn0', peer: 'vpn', peerDev: 'vpn0' });

  return {
    hosts: [
      router,
      planServer(wans, ipv6),
      ...gateways,
      ...lanHosts,
      ...(options.vpn ? [planVpn(ipv6)] : []),
    ],
    bridges: ['lan', 'net', ...(sharedPort ? ['uplink'] : [])],
    cables,
    wans,
    sharedPort,
    ipv6,
  };
}
