/** What clients notice of a WAN whose gateway says that it knows no way. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Host } from '#wanmark/lab/host.js';
import type { Lab } from '#wanmark/lab/lab.js';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { packets } from '../helpers/router-state.js';
import { tally } from '../helpers/traffic.js';
import { waitForKernel } from '../helpers/uplinks.js';

const FAMILIES = [4, 6] as const;
const COUNT = 6;
/** What a socket hears of the errors (icmp_err_convert, tab_unreach). */
const ERRORS: readonly string[] = ['ENETUNREACH', 'EHOSTUNREACH'];

/**
 * Makes a gateway refuse what it should forward, with both kinds of error in turn. A route that is missing would do the
 * same, but the kernel limits the errors of routes to one a second for each receiver (ip_error), and behind NAT all
 * clients are one receiver.
 */
async function refuse(lab: Lab, gateway: string): Promise<void> {
  await lab.host(gateway).sh(`
    echo 0 > /proc/sys/net/ipv4/icmp_ratelimit
    echo 0 > /proc/sys/net/ipv6/icmp/ratelimit
    refuse() {
      $1 -A FORWARD -i up0 -m statistic --mode nth --every 2 --packet 0 -j REJECT --reject-with $2
      $1 -A FORWARD -i up0 -j REJECT --reject-with $3
    }
    refuse iptables icmp-net-unreachable icmp-host-unreachable
    refuse ip6tables icmp6-no-route icmp6-addr-unreachable`);
}

/** How many errors the daemon was asked about. */
async function asked(lab: Lab): Promise<number> {
  const counts = FAMILIES.map((family) =>
    packets(lab.router, 'mangle', 'WANMARK_UNREACHABLE', /NFQUEUE/, family),
  );
  return (await Promise.all(counts)).reduce((sum, count) => sum + count);
}

/** How many of them a host heard, for each family. */
async function heard(host: Host): Promise<number[]> {
  const { stdout } = await host.sh(`
    awk '$1 == "Icmp:" && $2 ~ /^[0-9]/ { print $5 }' /proc/net/snmp
    awk '$1 == "Icmp6InDestUnreachs" { print $2 }' /proc/net/snmp6`);
  return stdout.trim().split('\n').map(Number);
}

describe('a gateway that knows no way', needs(nfqueue, addon), () => {
  it('costs clients and the router a second, and no connection', async () => {
    // Otherwise the WAN is suspected, and the kernel avoids it as well. A busy machine must not let errors pass.
    const run = ['--passive', 'off', '--deadline', '5000'];
    await withLab({ wans: 3, up: [], run }, async ({ lab, wanmark, daemon }) => {
      const { client, router } = lab;
      await refuse(lab, 'gw2');
      const flows = await Promise.all(
        [client, router].flatMap((from) =>
          FAMILIES.map((family) => lab.connect({ from, family, count: COUNT })),
        ),
      );
      const { wan1 = 0, wan3 = 0, ...others } = tally(flows.flat());
      assert.deepEqual([wan1 + wan3, others], [4 * COUNT, {}]);
      // More where the machine is so slow that a second SYN left before the connection was forgotten.
      assert.ok((await asked(lab)) >= (4 * COUNT) / 3, 'the daemon was asked about each of a third');
      for (const host of [client, router]) assert.deepEqual(await heard(host), [0, 0], host.name);

      // Without a daemon, errors pass.
      await waitForKernel(lab, 3);
      await daemon.crash();
      const [four = []] = await Promise.all(
        FAMILIES.map((family) => lab.connect({ family, count: 40, timeoutMs: 900 })),
      );
      // Only for IPv4, since the errors come back within connect(2) here: TCP over IPv6 only notes them then.
      assert.ok(four.some(({ error }) => error !== undefined && ERRORS.includes(error)));
      assert.ok((await heard(client)).every((count) => count > 0));

      // Where no other WAN knows a way either, the second error is the client's.
      const next = await wanmark.run(...run);
      await Promise.all(['gw1', 'gw3'].map((gateway) => refuse(lab, gateway)));
      const failed = await Promise.all(FAMILIES.map((family) => lab.connect({ family, count: 3 })));
      assert.ok(
        failed.flat().every(({ error }) => error !== undefined && ERRORS.includes(error)),
        JSON.stringify(failed),
      );
      await next.stop();
    });
  });
});
