/**
 * The machine of the `explain` tests, which is that of rules-harness.ts with more of everything:
 *
 * ```
 *  client 10.9.0.2, .3, .8, .9     --- lan0 [router] w1 192.0.1.2, .4 --- g1 192.0.1.1 [inet] 203.0.113.1, .2, .129,
 *     marked: .11, .12, .13                                           \-- g4 192.0.1.3        198.51.100.7
 *                                                    w2, w3
 * ```
 * - What comes by .4 of w1 is answered through g4 alone, and the rest through g1: the wrong gateway of the two loses it.
 * - Clients without translation are answered by the WAN that they came by.
 * - Clients .11 and so on have their packets marked before our rules, as pbr would.
 * - 198.51.100.7 lies behind a specific route of main.
 * - Tables 701 and 702 are for ip rules of others: by w3, everything or one network. The first has main's specific routes,
 *   too; otherwise strict rp_filter would lose the answers.
 * - There are the ipsets `here` (of IPv4) and `here6`, and there is none of the name `gone`.
 */
import type { Family } from '#wanmark/core/family.js';
import { Machine, SERVER, SERVER6 } from './rules-harness.js';
import { serve } from './rules-steps.js';

/** Addresses by family: of clients, of servers, and of the router itself by its devices. */
export const CLIENTS = {
  4: ['10.9.0.2', '10.9.0.3', '10.9.0.8', '10.9.0.9'],
  6: ['fd09::2', 'fd09::3', 'fd09::8', 'fd09::9'],
} as const;
export const SERVERS = {
  4: [SERVER, '203.0.113.2', '203.0.113.129', '198.51.100.7'],
  6: [SERVER6, '2001:db8:ff::2', '2001:db8:fe::1', '2001:db8:fd::7'],
} as const;
export const ROUTER: Readonly<Record<Family, Readonly<Record<string, string>>>> = {
  4: { lan0: '10.9.0.1', w1: '192.0.1.2', w2: '192.0.2.2', w3: '192.0.3.2' },
  6: { lan0: 'fd09::1', w1: '2001:db8:1::2', w2: '2001:db8:2::2', w3: '2001:db8:3::2' },
};
/** A host of the Internet that no ip rule names, so that it is answered whatever rules of others are about. */
export const STRANGER = { 4: '203.0.113.3', 6: '2001:db8:ff::3' } as const;
/** The second address of w1, which its second gateway knows. */
export const SECOND = { 4: '192.0.1.4', 6: '2001:db8:1::4' } as const;
/** Clients whose packets somebody marks. */
export const MARKED: Readonly<Record<Family, Readonly<Record<string, number>>>> = {
  4: { '10.9.0.11': 0x10000, '10.9.0.12': 0x20000, '10.9.0.13': 0x10 },
  6: { 'fd09::11': 0x10000, 'fd09::12': 0x20000, 'fd09::13': 0x10 },
};
/** Where servers listen, in `inet`, behind `lan0` and on the router. */
export const PORTS = [7000, 7001, 7002, 7003, 7004] as const;

/** The port of services; without one for it, the router itself listens there. */
export const SERVICE_PORT = 7005;

/** Builds it, with all its servers. */
export async function startMachine(): Promise<Machine> {
  const machine = await Machine.start();
  machine.buildNetwork();
  machine.addLinkLocal();
  const clients = {
    4: [...CLIENTS[4], ...Object.keys(MARKED[4])],
    6: [...CLIENTS[6], ...Object.keys(MARKED[6])],
  };
  machine.sh(`
    for address in ${clients[4].slice(1).join(' ')}; do ip -n client addr add $address/24 dev eth0; done
    for address in ${clients[6].slice(1).join(' ')}; do ip -n client addr add $address/64 dev eth0; done
    for address in ${SERVERS[4].slice(1).join(' ')} ${SERVERS[6].slice(1).join(' ')} ${Object.values(STRANGER).join(' ')}; do
      ip -n inet addr add $address dev lo
    done
    ip -n inet route add fd09::/64 via 2001:db8:1::2
    ip route add 198.51.100.0/24 via 192.0.2.1; ip route add 2001:db8:fd::/48 via 2001:db8:2::1
    ip route add 198.51.100.0/24 via 192.0.2.1 table 701; ip route add 2001:db8:fd::/48 via 2001:db8:2::1 table 701
    ip route add default via 192.0.3.1 table 701; ip -6 route add default via 2001:db8:3::1 table 701
    ip route add 203.0.113.128/25 via 192.0.3.1 table 702; ip -6 route add 2001:db8:fe::/48 via 2001:db8:3::1 table 702
    ipset create here hash:net; ipset add here 203.0.113.2; ipset add here 198.51.100.0/24
    ipset create here6 hash:net family inet6; ipset add here6 2001:db8:ff::/48
    ${marking()}`);
  addSecondGateway(machine);
  addWaysBack(machine);
  await serve(machine, PORTS, [...SERVERS[4], ...SERVERS[6]], 'inet');
  await serve(machine, [...PORTS, SERVICE_PORT], [...Object.values(ROUTER[4]), ...Object.values(ROUTER[6])]);
  await serve(machine, PORTS, [...CLIENTS[4], ...CLIENTS[6]], 'client');
  return machine;
}

/** Somebody's rules that mark clients. */
function marking(): string {
  return ([4, 6] as const)
    .flatMap((family) =>
      Object.entries(MARKED[family]).map(
        ([address, mark]) =>
          `ip${family === 6 ? '6' : ''}tables -t raw -A PREROUTING -i lan0 -s ${address} -j MARK --set-mark ${mark}`,
      ),
    )
    .join('\n');
}

/**
 * A gateway beside the one of w1, with a MAC address of its own. The router knows that address beforehand: the kernel may ask
 * for it by ARP from .2, which strict rp_filter does not answer by g4, since the way to .2 is g1.
 */
function addSecondGateway(machine: Machine): void {
  machine.sh(`
    ip -n inet link add link g1 name g4 type macvlan mode bridge
    ip netns exec inet sh -c 'for dev in g1 g4; do echo 1 > /proc/sys/net/ipv4/conf/$dev/arp_ignore; done
      echo 1 > /proc/sys/net/ipv4/conf/g4/rp_filter; echo 0 > /proc/sys/net/ipv6/conf/g4/accept_dad'
    ip -n inet link set g4 up
    ip -n inet addr add 192.0.1.3/32 dev g4; ip -n inet route add ${SECOND[4]}/32 dev g4
    ip -n inet addr add 2001:db8:1::3/128 dev g4; ip -n inet route add ${SECOND[6]}/128 dev g4
    ip -n inet addr add fe80::3/64 dev g4
    mac=$(ip -n inet -o link show g4 | sed -n 's/.*link.ether \\([^ ]*\\).*/\\1/p')
    ip neigh replace 192.0.1.3 dev w1 lladdr $mac nud permanent
    ip addr add ${SECOND[4]}/24 dev w1
    ip addr add ${SECOND[6]}/64 dev w1 preferred_lft 0`);
}

/**
 * Lets clients whose address is not translated, as where they go to an excluded network, be seen by any WAN, and has them
 * answered by the same one.
 */
function addWaysBack(machine: Machine): void {
  const ways = ['1', '2', '3', '4'].map((k) => ({
    k,
    gateway: `192.0.${k === '4' ? 1 : k}.2`,
    dev: `g${k}`,
  }));
  const hops = ways.map(({ gateway, dev }) => `nexthop via ${gateway} dev ${dev} onlink`);
  const mangle = 'ip netns exec inet iptables -t mangle -A';
  machine.sh(`
    ip -n inet route add 10.9.0.0/24 ${hops.join(' ')}
    ${mangle} OUTPUT -d 10.9.0.0/24 -j CONNMARK --restore-mark
    ${ways
      .map(
        ({ k, gateway, dev }) => `
          ${mangle} PREROUTING -i ${dev} -s 10.9.0.0/24 -j CONNMARK --set-mark ${k}
          ip -n inet rule add priority 100 fwmark ${k} lookup 80${k}
          ip -n inet route add default via ${gateway} dev ${dev} onlink table 80${k}`,
      )
      .join('')}`);
}
