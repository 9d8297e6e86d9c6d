/** DHCP clients on an uplink whose gateway is `auto`: a renewal, another address, a release, and a new lease. */
import { test } from 'node:test';
import type { Lab } from '#wanmark/lab/lab.js';
import { type Beside, beside, COUNT, packaged } from '../helpers/beside.js';
import { addon, needs, nfqueue, packages, root } from '../helpers/requires.js';
import { eventually } from '../helpers/router-state.js';
import { statusOf } from '../helpers/status.js';

/** A DHCP client of wan2, as shell commands. */
interface Client {
  readonly name: string;
  readonly start: string;
  /** Makes it renew its lease at once, or ask for one again; without it the client renews every two seconds. */
  readonly renew?: string;
  readonly release: string;
  readonly stop: string;
}

const CLIENTS: readonly Client[] = [
  {
    name: 'udhcpc',
    start: 'udhcpc -i wan2 -b -t 20 -T 1 -A 1 -p /run/client.pid >/run/client.log 2>&1 </dev/null',
    renew: 'kill -USR1 $(cat /run/client.pid)',
    release: 'kill -USR2 $(cat /run/client.pid)',
    stop: 'kill $(cat /run/client.pid)',
  },
  {
    name: 'dhclient',
    start: `echo 'supersede dhcp-renewal-time 2;' >/run/client.conf
dhclient -cf /run/client.conf -pf /run/client.pid -lf /run/client.leases wan2 >/run/client.log 2>&1 </dev/null`,
    release: 'dhclient -r -pf /run/client.pid -lf /run/client.leases wan2',
    stop: 'kill $(cat /run/client.pid)',
  },
  {
    name: 'dhcpcd',
    start: 'dhcpcd -4 --noarp --nodelay --waitip=4 wan2 >/run/client.log 2>&1 </dev/null',
    renew: 'dhcpcd -4 --noarp --nodelay --waitip=4 -n wan2 >/run/client.log 2>&1 </dev/null',
    release: 'dhcpcd -4 -k wan2',
    stop: 'dhcpcd -4 -x wan2',
  },
];

/** Makes the gateway of wan2 lease one address of its network, 198.51.100.8/29. */
function lease(lab: Lab, address: string): Promise<string> {
  return packaged(
    lab.gateway(lab.wans[1]!),
    `[ ! -e /run/dhcp.pid ] || { kill $(cat /run/dhcp.pid); while [ -e /run/dhcp.pid ]; do sleep 0.02; done; }
: >/run/leases
dnsmasq --conf-file=/dev/null --port=0 --interface=up0 --bind-interfaces --user=root --pid-file=/run/dhcp.pid \\
  --dhcp-authoritative --no-ping --dhcp-range=${address},${address},255.255.255.248,2m --dhcp-leasefile=/run/leases \\
  --dhcp-option=option:router,198.51.100.9 --log-dhcp --log-facility=/run/dhcp.log`,
  );
}

/** Leases wan2 an address, and waits until it has it. */
async function begin(lab: Lab, { start }: Client): Promise<void> {
  await lease(lab, '198.51.100.10');
  await packaged(lab.router, start);
  await has(lab, '198.51.100.10');
}

async function has(lab: Lab, address: string): Promise<void> {
  await eventually(
    async () => (await lab.router.exec(['ip', 'address', 'show', 'dev', 'wan2'])).stdout,
    (text) => text.includes(`inet ${address}`),
    `a lease of ${address}`,
  );
}

/**
 * Waits until the daemon uses wan2 again. Every outage after the first holds a WAN down for longer, which the user can
 * end by hand.
 */
async function back({ commandLines, wanmark }: Beside): Promise<void> {
  await eventually(
    async () => {
      await commandLines.run('set', 'wan2', 'state=auto');
      return (await statusOf(wanmark)).wans.map(({ state }) => state);
    },
    (states) => states.every((state) => state === 'up'),
    'wan2 is used',
  );
}

test(
  'DHCP clients: a renewal costs nothing, another address only what had the old one',
  needs(nfqueue, addon, root, packages),
  async () => {
    const prepare = async (lab: Lab) => {
      await lab.server.sh('ip route add 198.51.100.11 via 203.0.113.102');
      // The client's route has the metric 0.
      await lab.router.sh(
        'ip route add default via 198.51.100.1 metric 50; ip route del default metric 0; ip address flush dev wan2',
      );
      await begin(lab, CLIENTS[0]!);
    };
    const tell = (wan: Lab['wans'][number]) => (wan.name === 'wan2' ? { ...wan, via: 'auto' } : wan);
    await beside({ prepare, tell }, async (it) => {
      const { lab } = it;
      const acks = async () => (await lab.gateway(lab.wans[1]!).sh('grep -c DHCPACK /run/dhcp.log')).stdout;
      for (const client of CLIENTS) {
        const { name, renew, release, stop } = client;
        if (client !== CLIENTS[0]) {
          await begin(lab, client);
          await back(it);
          await it.well(`${name} has begun`, undefined, 'wan2');
          await it.hold();
        }
        const first = await acks();
        if (renew !== undefined) await it.run(renew);
        await eventually(acks, (count) => count !== first, `${name}: a renewal`);
        await it.well(`${name} has renewed its lease`);

        await lease(lab, '198.51.100.11');
        if (renew !== undefined) await it.run(renew);
        await has(lab, '198.51.100.11');
        await back(it);
        await it.well(`${name} has a new address`, undefined, 'wan2');

        await it.run(release);
        await it.until('! ip address show dev wan2 | grep "inet "');
        await it.well(`${name} has released it`, { wan1: COUNT }, 'wan2');
        await it.run(`${stop} || :`);
      }
    });
  },
);
