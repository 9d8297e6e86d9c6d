/** The firewalls that people have on their routers, as Debian packs them: started, reloaded and stopped beside wanmark. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { COUNT, EVENLY, packaged } from '../helpers/beside.js';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue, packages, root } from '../helpers/requires.js';
import { eventually } from '../helpers/router-state.js';
import { tally } from '../helpers/traffic.js';

/** A firewall, as shell commands; clients of the LAN may go out by each WAN, and the router's own SSH port is closed. */
interface Firewall {
  readonly name: string;
  readonly start: string;
  readonly reload: string;
  readonly stop: string;
}

const FIREWALLS: readonly Firewall[] = [
  {
    name: 'ufw',
    start: 'ufw route allow in on lan0; ufw deny 22; ufw --force enable',
    reload: 'ufw reload',
    stop: 'ufw disable',
  },
  {
    name: 'firewalld',
    start: `bus=/run/firewalld-bus
      dbus-daemon --session --fork --nopidfile --address=unix:path=$bus
      firewalld --log-file /run/firewalld.log
      timeout 60 sh -c 'until firewall-cmd --state 2>/dev/null; do sleep 0.1; done' || { cat /run/firewalld.log >&2; exit 1; }
      firewall-cmd --permanent --zone=trusted --add-interface=lan0
      for wan in wan1 wan2; do firewall-cmd --permanent --zone=external --add-interface=$wan; done
      firewall-cmd --reload`,
    reload: 'firewall-cmd --complete-reload',
    stop: 'kill $(cat /run/firewalld.pid); while firewall-cmd --state; do sleep 0.1; done',
  },
  {
    // It writes the tables anew whenever it starts, ours included.
    name: 'Shorewall',
    start: `cd /etc/shorewall
      printf '%s\\n' 'fw firewall' 'net ipv4' 'loc ipv4' >zones
      printf '%s\\n' '?FORMAT 2' 'net wan1' 'net wan2' 'loc lan0' >interfaces
      printf '%s\\n' 'loc net ACCEPT' 'fw all ACCEPT' 'net all DROP' 'all all REJECT' >policy
      shorewall start`,
    reload: 'shorewall restart',
    stop: 'shorewall clear',
  },
];

describe('a firewall of the router', needs(nfqueue, addon, root, packages), () => {
  for (const { name, start, reload, stop } of FIREWALLS) {
    test(`${name}: clients keep both WANs and their connections when it starts, reloads and stops`, async () => {
      await withLab({ wans: 2, ipv6: false, up: [], run: [] }, async ({ lab, wanmark }) => {
        const bus = 'export DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/firewalld-bus\n';
        const held = await lab.connect({ count: COUNT, hold: true });
        assert.deepEqual(tally(held), EVENLY);
        for (const [what, script] of Object.entries({ start, reload, stop })) {
          await packaged(lab.router, bus + script);
          await eventually(
            () => wanmark.command(['check'], 'any'),
            ({ code }) => code === 0,
            `${name}: the rules are there after ${what}`,
          );
          assert.deepEqual(tally(await lab.connect({ count: COUNT })), EVENLY, what);
          const again = await lab.exchange(lab.client, held, 30_000);
          assert.deepEqual(
            again.flatMap(({ error }) => error ?? []),
            [],
            `connections from before ${what}`,
          );
        }
      });
    });
  }
});
