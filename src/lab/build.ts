import type { Cable, HostPlan, Network } from './network.js';

/** The namespace that holds the bridges. */
const SWITCH = 'switch';

function heredoc(command: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : `${command} <<'LAB'\n${lines.join('\n')}\nLAB\n`;
}

function sysctls(plan: HostPlan, ipv6: boolean): string[] {
  const lines = [`ipv4/ip_forward ${plan.forwards ? 1 : 0}`];
  for (const scope of ['all', 'default']) {
    lines.push(`ipv4/conf/${scope}/rp_filter ${plan.rpFilter}`);
    if (!ipv6) continue;
    // An address that is still being probed for duplicates cannot be used for a second or two (RFC 4862).
    lines.push(`ipv6/conf/${scope}/accept_dad 0`, `ipv6/conf/${scope}/router_solicitations 0`);
  }
  if (ipv6) lines.push(`ipv6/conf/all/forwarding ${plan.forwards ? 1 : 0}`);
  return lines;
}

/**
 * Gives every device a number of its own: where a device and its peer have the same number, the kernel takes up to a
 * second to notice the carrier (`linkwatch_urgent_event`).
 */
function cable(to: Cable, i: number): string[] {
  const [peer, netns] = 'peer' in to ? [to.peerDev, to.peer] : [`port${i}`, SWITCH];
  const number = 100 + 2 * i;
  return [
    `link add ${to.dev} index ${number} netns ${to.host} type veth ` +
      `peer name ${peer} index ${number + 1} netns ${netns}`,
  ];
}

function configure(plan: HostPlan): string[] {
  const devices = [...new Set(['lo', ...plan.addresses.map(({ dev }) => dev)])];
  return [
    ...plan.addresses.map(
      ({ dev, address }) => `addr add ${address} dev ${dev}${address.includes(':') ? ' nodad' : ''}`,
    ),
    ...devices.map((dev) => `link set ${dev} up`),
    ...plan.routes.map((route) => `route add ${route}`),
  ];
}

/** Makes a gateway a home router with an exposed host: it masquerades, and passes on to one address what comes in. */
function translate(plan: HostPlan, iptables: string): string {
  if (!plan.nat) return '';
  const { dev, at, exposes } = plan.nat;
  return at
    .map((address, i) => {
      const tool = i === 0 ? iptables : iptables.replace('iptables', 'ip6tables');
      return heredoc(`ip netns exec ${plan.name} ${tool}-restore --noflush`, [
        '*nat',
        `-A PREROUTING -i ${dev} -d ${address} -j DNAT --to-destination ${exposes[i]}`,
        `-A POSTROUTING -o ${dev} -j MASQUERADE`,
        'COMMIT',
      ]);
    })
    .join('');
}

/**
 * The shell script that makes the network inside a sandbox. Each process costs milliseconds, so there is one
 * `ip -batch` per host.
 * @param iptables the command for the gateways' NAT, `iptables` or `iptables-legacy`
 */
export function buildScript(network: Network, iptables = 'iptables'): string {
  const names = [SWITCH, ...network.hosts.map(({ name }) => name)];
  const ports = network.cables.flatMap((to, i) => ('bridge' in to ? [{ bridge: to.bridge, port: i }] : []));
  return [
    'set -e\n',
    heredoc(
      'ip -batch -',
      names.map((name) => `netns add ${name}`),
    ),
    // The settings come before the devices, which take theirs from "default".
    ...network.hosts.map((plan) =>
      heredoc(
        `ip netns exec ${plan.name} sh -ec 'while read -r key value; do echo "$value" >"/proc/sys/net/$key"; done'`,
        sysctls(plan, network.ipv6),
      ),
    ),
    heredoc('ip -batch -', network.cables.flatMap(cable)),
    heredoc(`ip -n ${SWITCH} -batch -`, [
      ...network.bridges.map((bridge) => `link add ${bridge} up type bridge mcast_snooping 0`),
      ...ports.map(({ bridge, port }) => `link set port${port} up master ${bridge}`),
    ]),
    ...network.hosts.map((plan) => heredoc(`ip -n ${plan.name} -batch -`, configure(plan))),
    ...network.hosts.map((plan) => translate(plan, iptables)),
    // A device's carrier comes up asynchronously, and until then the device drops what it should send.
    `for name in ${names.join(' ')}; do
  while ip -n "$name" -br link show up | grep -q ' \\(DOWN\\|LOWERLAYERDOWN\\) '; do :; done
done
`,
  ].join('');
}
