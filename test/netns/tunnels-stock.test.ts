/**
 * WANs of the kinds of devices that only a distribution's kernel has. scripts/test.sh leaves this file out unless it is named;
 * `npm run test:kernels` runs it.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { addon, needs, nfqueue, program, root } from '../helpers/requires.js';
import { Script } from './print-harness.js';
import { Machine, SERVER, SERVER6, tally, VARIANTS } from './rules-harness.js';

const PORT = '7000';
/** A port of each WAN's address that leads to the client. */
const FORWARDED = '8080';
/** The far ends, which are behind main's default route, by w1. */
const FAR = '203.0.113.9';
const FAR6 = '2001:db8:ff::9';
const LOCAL = '192.0.1.2';
const LOCAL6 = '2001:db8:1::2';
const OTHER = 'other,dev=w2,via=192.0.2.1,via6=2001:db8:2::1';
const CARRIER = 'carrier,dev=w1,via=192.0.1.1,via6=2001:db8:1::1';

/** A device that is the router's end of something. */
interface Kind {
  /** The program that makes it, besides `ip`. */
  readonly program?: string;
  readonly modules: readonly string[];
  /** Makes t0 on both sides; what is there is `ip`, and `inet`, which runs a command in the namespace. */
  readonly make: string;
  /** Takes both away, and what they need. */
  readonly remove?: string;
  readonly families: readonly (4 | 6)[];
  /** Whether it has gateways, as Ethernet. */
  readonly isEthernet?: boolean;
}

/** The same on both sides. */
const both = (type: string, local = LOCAL, remote = FAR) => `
  ip link add t0 type ${type} local ${local} remote ${remote}
  inet ip link add t0 type ${type} local ${remote} remote ${local}`;

const l2tp = (encap: string, protocol: string) =>
  ({
    modules: ['l2tp_netlink', 'l2tp_eth', ...(encap === 'ip' ? ['l2tp_ip'] : [])],
    make: `
    ip l2tp add tunnel tunnel_id 1 peer_tunnel_id 1 encap ${encap} local ${LOCAL} remote ${FAR} ${protocol}
    ip l2tp add session name t0 tunnel_id 1 session_id 1 peer_session_id 1
    inet ip l2tp add tunnel tunnel_id 1 peer_tunnel_id 1 encap ${encap} local ${FAR} remote ${LOCAL} ${protocol}
    inet ip l2tp add session name t0 tunnel_id 1 session_id 1 peer_session_id 1`,
    remove: 'ip l2tp del tunnel tunnel_id 1; inet ip l2tp del tunnel tunnel_id 1',
    families: [4, 6],
    isEthernet: true,
  }) as const;

/** Tunnels, whose packets are the router's own. */
const TUNNELS: Record<string, Kind> = {
  ipip: { modules: ['ipip'], make: both('ipip'), families: [4] },
  gre: { modules: ['ip_gre'], make: both('gre'), families: [4, 6] },
  gretap: { modules: ['ip_gre'], make: both('gretap'), families: [4, 6], isEthernet: true },
  sit: { modules: ['sit'], make: both('sit'), families: [6] },
  ip6gre: { modules: ['ip6_gre'], make: both('ip6gre', LOCAL6, FAR6), families: [4, 6] },
  ip6tnl: { modules: ['ip6_tunnel'], make: both('ip6tnl mode any', LOCAL6, FAR6), families: [4, 6] },
  vxlan: {
    modules: ['vxlan'],
    make: both('vxlan id 5 dstport 4789'),
    families: [4, 6],
    isEthernet: true,
  },
  geneve: {
    modules: ['geneve'],
    // It has no address of its own, and takes only what comes from its far end.
    make: `
      ip link add t0 type geneve id 5 remote ${FAR}
      inet ip link add t0 type geneve id 5 remote ${LOCAL}; inet ip route add ${LOCAL} dev g1 src ${FAR}`,
    remove: `ip link del t0; inet ip link del t0; inet ip route del ${LOCAL}`,
    families: [4, 6],
    isEthernet: true,
  },
  wireguard: {
    program: 'wg',
    modules: ['wireguard'],
    make: `
      umask 077; wg genkey >/run/key; wg genkey >/run/far-key
      ip link add t0 type wireguard; inet ip link add t0 type wireguard
      wg set t0 private-key /run/key peer "$(wg pubkey </run/far-key)" endpoint ${FAR}:51820 allowed-ips 0.0.0.0/0,::/0
      inet wg set t0 listen-port 51820 private-key /run/far-key peer "$(wg pubkey </run/key)" allowed-ips 0.0.0.0/0,::/0`,
    families: [4, 6],
  },
  'l2tp over UDP': l2tp('udp', 'udp_sport 1701 udp_dport 1701'),
  'l2tp over IP': l2tp('ip', ''),
};

/** Devices above another one of Ethernet. */
const ABOVE: Record<string, Kind> = {
  vlan: {
    modules: ['8021q'],
    make: 'ip link add link w1 name t0 type vlan id 5; inet ip link add link g1 name t0 type vlan id 5',
    families: [4, 6],
    isEthernet: true,
  },
  macvlan: {
    modules: ['macvlan'],
    make: `
      ip link add link w1 name t0 type macvlan mode bridge
      inet ip link add link g1 name t0 type macvlan mode bridge`,
    families: [4, 6],
    isEthernet: true,
  },
  ppp: {
    program: 'pppd',
    modules: ['ppp_generic', 'ppp_async'],
    make: `
      ppp() { echo "pppd nodetach ifname t0 noauth nodefaultroute nolock noccp $1:$2 +ipv6"; }
      $(ppp 10.55.0.2 10.55.0.1) pty "ip netns exec inet $(ppp 10.55.0.1 10.55.0.2) notty" \
        </dev/null >/run/pppd.log 2>&1 &
      echo $! >/run/pppd.pid
      until ip addr show dev t0 | grep peer && inet ip addr show dev t0 | grep peer; do
        kill -0 $! || exit 1
        sleep 0.1
      done >/run/waiting 2>&1`,
    remove: 'kill "$(cat /run/pppd.pid)"; while ip link show dev t0; do sleep 0.1; done >/dev/null 2>&1',
    families: [4],
  },
};

describe("WANs of a distribution's devices", needs(nfqueue, addon, root), () => {
  let machine: Machine;
  /** `ip netns exec` for what has to be done on the other side. */
  const sh = (script: string) => machine.sh(`inet() { ip netns exec inet "$@"; }\n${script}`);
  const call = async (from: string | undefined, to: string, count: number, port = PORT) =>
    tally(await machine.call(['udp', String(count), to, port], from));
  const up = (wan: readonly string[], more: object) => {
    const { status, stderr } = machine.wanmark('up', { wan, 'kernel-mode': 'nth', ...more });
    assert.equal(status, 0, stderr);
    return stderr;
  };

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
    machine.addLinkLocal();
    sh(`inet ip addr add ${FAR}/32 dev lo; inet ip addr add ${FAR6}/128 dev lo`);
    for (const port of [PORT, FORWARDED]) {
      const serving = await machine.peer(['serve', port, SERVER, SERVER6], 'inet');
      assert.equal(await serving.line(), 'ready');
    }
    const behind = await machine.peer(['serve', FORWARDED, '10.9.0.2', 'fd09::2'], 'client');
    assert.equal(await behind.line(), 'ready');
  });
  after(() => machine.stop());

  /** Makes the device and gives it addresses. Returns the WAN that it is. */
  function make({ modules, make: script, families, isEthernet }: Kind): string {
    // In a user namespace the kernel may load none by itself. What is built in is no module.
    spawnSync('modprobe', ['-a', ...modules]);
    sh(`${script}
      for where in '' inet; do
        $where ip link set t0 up
        $where sh -c 'echo 1 >/proc/sys/net/ipv4/conf/t0/rp_filter'
      done`);
    const gateways: string[] = [];
    if (families.includes(4)) {
      sh(`for k in 1 2; do [ $k = 1 ] && where=inet || where=
        $where ip addr replace 10.55.0.$k/24 dev t0; done`);
      gateways.push(isEthernet ? 'via=10.55.0.1' : 'via=dev');
    }
    if (families.includes(6)) {
      sh(`for k in 1 2; do [ $k = 1 ] && where=inet || where=
        $where ip addr add fd55::$k/64 dev t0 nodad; done`);
      gateways.push(isEthernet ? 'via6=fd55::1' : 'via6=dev');
    }
    return ['tunnel', 'dev=t0', ...gateways].join(',');
  }

  function remove({ remove: script }: Kind): void {
    sh(script ?? 'ip link del t0; inet ip link del t0 2>/dev/null || true');
  }

  const to = { 4: SERVER, 6: SERVER6 };
  const address = { 4: '10.55.0.2', 6: 'fd55::2' };
  const forward = { 4: 'iptables', 6: 'ip6tables' };
  const behind = { 4: '10.9.0.2', 6: '[fd09::2]' };

  for (const [name, kind] of Object.entries({ ...TUNNELS, ...ABOVE })) {
    const required = kind.program === undefined ? {} : needs(program(kind.program));
    test(`${name}: who gets connections, the router's own, and what comes in by it`, required, async () => {
      const tunnel = make(kind);
      try {
        // The carrier is no WAN.
        up([tunnel, OTHER], { engine: 'kernel' });
        for (const family of kind.families) {
          const expected = { [address[family]]: 3, [family === 4 ? '192.0.2.2' : '2001:db8:2::2']: 3 };
          assert.deepEqual(await call('client', to[family], 6), expected, `of clients, IPv${family}`);
          assert.deepEqual(await call(undefined, to[family], 6), expected, `its own, IPv${family}`);
        }
        // It is one; and with the queue's rules, whose daemon is away.
        up([CARRIER, tunnel, OTHER], {});
        for (const family of kind.families) {
          const shares = Object.values(await call('client', to[family], 6));
          assert.deepEqual(shares, [2, 2, 2], `with the carrier, IPv${family}`);
          const rule = `PREROUTING -t nat -i t0 -p tcp --dport ${FORWARDED} -j DNAT --to ${behind[family]}`;
          sh(`${forward[family]} -I ${rule}`);
          const source = to[family];
          const args = ['tcp', '4', address[family], FORWARDED, source];
          assert.deepEqual(tally(await machine.call(args, 'inet')), { [source]: 4 }, `inbound, IPv${family}`);
          sh(`${forward[family]} -D ${rule}`);
        }
      } finally {
        machine.wanmark('down');
        remove(kind);
      }
    });
  }

  test('l2tp over UDP, by a printed script', async () => {
    const kind = TUNNELS['l2tp over UDP']!;
    const tunnel = make(kind);
    const [programs] = Object.values(VARIANTS);
    const script = new Script(machine, ['--wan', tunnel, '--engine', 'kernel'], programs);
    try {
      const { status, stderr } = script.run(machine, 'up');
      assert.equal(status, 0, stderr);
      assert.deepEqual(await call('client', SERVER, 6), { '10.55.0.2': 6 });
    } finally {
      script.run(machine, 'down');
      script.remove();
      remove(kind);
    }
  });
});
