/**
 * A machine on which configurations of the corpus run, one after the other: the devices, gateways and clients are those of
 * the file. Whatever leaves by an uplink comes to a server that tells which one it was:
 *
 * ```
 *  client 100.127.0.2 --- br-lan [router] eth1 --- g1 [inet] all addresses there are: DNAT to 10.255.0.1:7, fd55::1
 *         100.127.1.2 --- eth0            ppp0 --- g2                                 DNAT to 10.255.0.2:7, fd55::2
 *         10.0.8.9 (by br-lan)         branch0 --- g3                                 10.250.0.0/16, a route of main's
 * ```
 */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import type { RawConfig } from '#wanmark/config/options.js';
import { FAMILIES, type Family } from '#wanmark/core/family.js';
import type { Intent } from '../corpus/fixture.js';
import { Machine } from './rules-harness.js';

const SERVER = fileURLToPath(new URL('./corpus-server.js', import.meta.url));
const PORT = 7;
/** Uplinks of a file, and the branch. */
const MOST_LINKS = 7;
const LAN = 'br-lan';
const BRANCH = 'branch0';
/** How long to wait for an answer that must not come. */
const SILENCE_MS = 300;
const PATIENCE_MS = 5000;

/** An uplink as a configuration has it. */
export interface ConfiguredWan {
  readonly name: string;
  readonly dev: string;
  readonly via?: string;
  readonly via6?: string;
  readonly nat?: string;
}

/** A device of the router's that leads to the server. */
interface Link {
  readonly dev: string;
  readonly number: number;
  /** The router's own addresses. */
  readonly own: Readonly<Record<Family, string>>;
  readonly gateway: Readonly<Record<Family, string>>;
}

/** Where a connection came out: an uplink's name, `branch`, or `refused`. */
export type Seen = string;

const arriving = (number: number, family: Family) =>
  family === 4 ? `10.255.0.${number}` : `fd55::${number}`;

function linkOf(dev: string, number: number, via: string | undefined): Link {
  const fixed = /^(\d+\.\d+\.\d+)\.(\d+)$/.exec(via ?? '');
  const [gateway, own] =
    fixed === null
      ? [`100.64.${number}.1`, `100.64.${number}.2`]
      : [via!, `${fixed[1]}.${fixed[2] === '250' ? 251 : 250}`];
  return {
    dev,
    number,
    own: { 4: own, 6: `2001:db8:640${number}::2` },
    gateway: { 4: gateway, 6: `2001:db8:640${number}::1` },
  };
}

export class CorpusMachine {
  readonly machine: Machine;
  #links: readonly Link[] = [];
  #wans: readonly ConfiguredWan[] = [];
  /** The number of the LAN behind a device, by its name. */
  #lans = new Map<string, number>();

  private constructor(machine: Machine) {
    this.machine = machine;
  }

  /** Builds all that files have in common. */
  static async start(): Promise<CorpusMachine> {
    const machine = await Machine.start();
    const links = Array.from({ length: MOST_LINKS }, (_, i) => i + 1);
    const turned = (tool: string, family: Family) =>
      links.flatMap((k) =>
        ['tcp', 'udp'].map((proto) => {
          const to = family === 4 ? arriving(k, 4) : `[${arriving(k, 6)}]`;
          return `${tool} -t nat -A PREROUTING -i g${k} -p ${proto} -j DNAT --to-destination ${to}:${PORT}`;
        }),
      );
    machine.sh(`
      ip netns add inet; ip netns add client
      for where in '' 'ip netns exec inet' 'ip netns exec client'; do
        $where sh -c 'for file in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 > $file; done
          echo 1 > /proc/sys/net/ipv6/conf/default/addr_gen_mode; ip link set lo up
          echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'
      done
      for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 1 > $file; done`);
    // Every address is a local one there, so that it answers for those that an uplink without a gateway asks for.
    machine.sh(
      [
        'ip route add local default dev lo table main',
        ...links.flatMap((k) => [
          ...FAMILIES.map((family) => `ip addr add ${arriving(k, family)}/${family === 4 ? 32 : 128} dev lo`),
          `ip rule add from ${arriving(k, 4)} lookup ${100 + k}`,
        ]),
        ...turned('iptables', 4),
        ...turned('ip6tables', 6),
      ].join('\n'),
      {},
      'inet',
    );
    const addresses = links.flatMap((k) => FAMILIES.map((family) => arriving(k, family)));
    const server = await machine.peer([String(PORT), ...addresses], 'inet', SERVER);
    assert.equal(await server.line(), 'ready');
    return new CorpusMachine(machine);
  }

  /** Gives the machine the devices of a configuration, and the clients of what is to be tried. */
  build(wans: readonly ConfiguredWan[], intents: readonly Intent[], sets: ReadonlyMap<string, string>): void {
    this.#clear();
    const devices = [...new Set(wans.map(({ dev }) => dev))];
    const viaOf = (dev: string) => wans.find((wan) => wan.dev === dev)?.via;
    this.#wans = wans;
    this.#links = [...devices, BRANCH].map((dev, i) => linkOf(dev, i + 1, viaOf(dev)));
    this.#lans = new Map([LAN, ...intents.flatMap(({ device }) => device ?? [])].map((dev) => [dev, 0]));
    [...this.#lans.keys()].forEach((dev, i) => {
      this.#lans.set(dev, i);
    });
    const clients = [...new Set(intents.flatMap(({ from }) => from ?? []))];
    this.machine.sh(
      [
        ...this.#links.flatMap((link) => this.#linkLines(link)),
        ...[...this.#lans].flatMap(([dev, i]) => lanLines(dev, i)),
        ...clients.flatMap((address) => [
          `ip -n client addr add ${address}/32 dev c0`,
          `ip route add ${address}/32 via 100.127.0.2 dev ${LAN}`,
        ]),
        ...[...sets].flatMap(([name, networks]) => [
          `ipset create ${name} hash:net`,
          ...networks.split(' ').map((network) => `ipset add ${name} ${network}`),
        ]),
      ].join('\n'),
    );
    const count = this.#links.length + this.#lans.size;
    this.machine.until(`[ "$(ip -o link show type veth | grep -c LOWER_UP)" = ${count} ]`);
  }

  #clear(): void {
    const devices = [...this.#links.map(({ dev }) => dev), ...this.#lans.keys()];
    this.machine.sh([...devices.map((dev) => `ip link del ${dev}`), 'ipset destroy'].join('\n'));
    this.machine.attempt(
      'ip rule | sed -n "s/:.*from 100.127.*//p" | while read p; do ip rule del pref $p; done',
      {},
      'client',
    );
  }

  #linkLines({ dev, number, own, gateway }: Link): string[] {
    const isGateway = (family: Family) =>
      this.#wans.some((wan) => wan.dev === dev && wan[family === 4 ? 'via' : 'via6'] !== undefined);
    const bare = this.#wans.some((wan) => wan.dev === dev && wan.via === 'dev');
    return [
      `ip link add ${dev} type veth peer name g${number} netns inet`,
      `ip link set ${dev} up; ip -n inet link set g${number} up`,
      `ip addr add ${own[4]}/24 dev ${dev}; ip -n inet addr add ${gateway[4]}/24 dev g${number}`,
      `ip addr add ${own[6]}/64 dev ${dev}; ip -n inet addr add ${gateway[6]}/64 dev g${number}`,
      `ip -n inet route replace default via ${own[4]} dev g${number} table ${100 + number}`,
      ...(isGateway(4)
        ? [`ip route add default ${bare ? '' : `via ${gateway[4]} `}dev ${dev} metric ${number}`]
        : []),
      ...(isGateway(6) ? [`ip route add default via ${gateway[6]} dev ${dev} metric ${number}`] : []),
      ...(dev === BRANCH ? [`ip route add 10.250.0.0/16 via ${gateway[4]} dev ${dev}`] : []),
    ];
  }

  /** The uplink that the main table's default route leads to. */
  mainOf(family: Family): Seen {
    const wan = this.#wans.find((one) => one[family === 4 ? 'via' : 'via6'] !== undefined);
    return wan?.name ?? 'refused';
  }

  /** Makes connections, one after the other, and says where each came out. */
  async seen(intent: Intent, count: number, isRefused: boolean): Promise<readonly Seen[]> {
    const { own, device, from, family, proto, to, port } = intent;
    const lan = this.#lans.get(device ?? LAN)!;
    const local = from ?? (family === 4 ? `100.127.${lan}.2` : `fd77:${lan}::2`);
    const lines = await this.machine.call(
      [proto, String(isRefused ? 1 : count), to, String(port), ...(own ? [] : [local])],
      own ? undefined : 'client',
      isRefused ? SILENCE_MS : PATIENCE_MS,
    );
    return lines.map((line) => (line.startsWith('failed') ? 'refused' : this.#cameBy(line, intent)));
  }

  #cameBy(line: string, { family, own }: Intent): Seen {
    const [at, source] = line.split(' ');
    const link = this.#links.find(({ number }) => arriving(number, family) === at);
    if (link === undefined) return line;
    if (link.dev === BRANCH) return 'branch';
    const wan = this.#wans.find(
      (one) => one.dev === link.dev && one[family === 4 ? 'via' : 'via6'] !== undefined,
    );
    if (wan === undefined) return line;
    // A provider takes nothing with another one's address.
    const isOwn = source === link.own[family];
    return isOwn || (wan.nat === 'none' && !own) ? wan.name : `${wan.name} from ${source}`;
  }
}

function lanLines(dev: string, i: number): string[] {
  const [four, six] = [`100.127.${i}`, `fd77:${i}:`];
  return [
    `ip link add ${dev} type veth peer name c${i} netns client`,
    `ip link set ${dev} up; ip -n client link set c${i} up`,
    `ip addr add ${four}.1/24 dev ${dev}; ip -n client addr add ${four}.2/24 dev c${i}`,
    `ip addr add ${six}:1/64 dev ${dev}; ip -n client addr add ${six}:2/64 dev c${i}`,
    i === 0
      ? `ip -n client route add default via ${four}.1; ip -n client route add default via ${six}:1`
      : `ip -n client rule add from ${four}.2 lookup ${100 + i}; ip -n client route add default via ${four}.1 table ${100 + i}`,
  ];
}

/** A configuration as its checks leave it alone: nobody answers them here. */
export function withoutChecks(config: RawConfig): RawConfig {
  const { check: _, wan, ...rest } = config;
  const wans = (wan as readonly Record<string, unknown>[]).map(({ initial: _initial, ...keys }) => keys);
  return { ...rest, wan: wans };
}
