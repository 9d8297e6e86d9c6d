import { UDP } from '../core/protocol.js';
import type { Rule } from './plan.js';
import { INTO_IPSEC, leave } from './rule.js';
import type { Scene } from './scene.js';

/** Protocol numbers of IANA: IPv4 and IPv6 in something else, GRE, ESP, L2TP version 3. */
const TUNNELS = [4, 41, 47, 50, 115];

/** AH. In IPv6 it is a header of the packet inside, never its protocol. */
const AH = 51;

/** The ports of DHCP clients and servers (RFC 2131, RFC 8415). */
const DHCP = { 4: { client: 68, server: 67 }, 6: { client: 546, server: 547 } } as const;

/**
 * The router's own packets that are not balanced: a DHCP renewal is for the server that gave the lease, and the far end
 * of a tunnel expects the address that the tunnel was given.
 *
 * A tunnel's packet has the mark of the packet inside (skb_scrub_packet clears it only between network namespaces), and
 * IPsec looks its route up with that mark. Without the mark the packet is routed again, by the address it comes from. Tunnels
 * over UDP are known by their far ends (far-ends.ts).
 */
export function ownRules({ family }: Scene): Rule[] {
  const { client, server } = DHCP[family];
  const protocols = family === 4 ? [...TUNNELS, AH] : TUNNELS;
  return [
    ...protocols.map(
      (number): Rule => ({
        when: [{ kind: 'protocol', number }],
        action: { kind: 'goto', chain: 'WANMARK_CLEAR' },
      }),
    ),
    {
      when: [
        { kind: 'protocol', number: UDP },
        { kind: 'destination-in', set: 'far ends' },
      ],
      action: { kind: 'goto', chain: 'WANMARK_CLEAR' },
    },
    leave({ kind: 'transport', proto: 'udp', sport: port(client), dport: port(server) }),
    leave(INTO_IPSEC),
  ];
}

/**
 * A packet of a connection that the router began, where the main table has all of them. It keeps a mark that its program
 * gave it. Neither is the connection's mark restored, since main's default route may have changed since it began. What
 * answers a connection that came in is in the direction of replies; an error is about the connection of others that it quotes.
 */
export const LEAVE_OWN: Rule = leave({ kind: 'state', state: 'related', direction: 'original', not: true });

function port(number: number) {
  return { low: number, high: number };
}
