import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Flow } from '#wanmark/lab/agent/protocol.js';
import { buildScript } from '#wanmark/lab/build.js';
import { Host } from '#wanmark/lab/host.js';
import type { HostPlan, Network } from '#wanmark/lab/network.js';
import type { Program } from '#wanmark/lab/program.js';
import { Sandbox } from '#wanmark/lab/sandbox.js';
import { differences, snapshot } from '#wanmark/lab/snapshot.js';
import { withLab } from '../helpers/lab.js';
import { markOf } from '../helpers/marks.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { packets } from '../helpers/router-state.js';
import { exampleCommand } from '../helpers/services.js';
import { tally } from '../helpers/traffic.js';

const PORT = 7000;

describe('the example of a host with two uplinks', needs(nfqueue, addon), () => {
  it('answers by the line that the request came in by, and balances its own new connections', async () => {
    await withLab({ wans: 2, ipv6: false }, async ({ lab }) => {
      const host = lab.router;
      await host.sh('echo 0 >/proc/sys/net/ipv4/ip_forward');
      await host.serve(PORT);
      const before = await snapshot(host);
      for (const gateway of lab.wans) {
        const rules = lab.wans.map(({ address }) => `iptables -t raw -A PREROUTING -i up0 -s ${address}`);
        await lab.gateway(gateway).sh(rules.join('\n'));
      }
      /** Whether the own and the other gateway of WAN number `k` got packets with the WAN's address from the host. */
      const answers = async (k: number) => {
        const count = (gateway: number) =>
          packets(
            lab.gateway(lab.wans[gateway]!),
            'raw',
            'PREROUTING',
            new RegExp(`-s ${lab.wans[k]!.address}/`),
          );
        return { own: (await count(k)) > 0, other: (await count(1 - k)) > 0 };
      };
      const ask = async (k: number, timeoutMs = 10_000) => {
        const to = lab.wans[k]!.address;
        return (await lab.connect({ from: lab.server, to, port: PORT, timeoutMs }))[0]!.error;
      };
      assert.notEqual(
        await ask(1, 1000),
        undefined,
        'without it: strict rp_filter, or else the wrong way back',
      );
      for (const wan of lab.wans) await lab.gateway(wan).sh('iptables -t raw -Z');

      const [one, two] = lab.wans;
      const example = `env DEV1=wan1 VIA1=${one!.via} DEV2=wan2 VIA2=${two!.via} sh two-uplinks-host.sh`;
      await host.exec(exampleCommand(`${example} up --engine kernel --kernel-mode nth`));
      for (const k of [0, 1]) assert.equal(await ask(k), undefined);
      for (const k of [0, 1]) assert.deepEqual(await answers(k), { own: true, other: false });
      assert.deepEqual(tally(await lab.connect({ from: host, count: 20 })), { wan1: 10, wan2: 10 });
      await host.exec(exampleCommand(`${example} down`));
      assert.deepEqual(differences(before, await snapshot(host)), []);
    });
  });
});

/**
 * ```
 * a --[10.1.0.0/24]-- branch ==line1, line2== hub --[10.2.0.0/24]-- b
 * ```
 */
function tunnelNetwork(): Network {
  const end = (name: string, own: number): HostPlan => ({
    name,
    addresses: [
      { dev: 'lan0', address: `10.${own}.0.1/24` },
      { dev: 'line1', address: `203.0.113.${own}/30` },
      { dev: 'line2', address: `203.0.113.${own + 4}/30` },
    ],
    routes: [],
    forwards: true,
    rpFilter: 1,
  });
  const client = (name: string, own: number): HostPlan => ({
    name,
    addresses: [{ dev: 'lan0', address: `10.${own}.0.11/24` }],
    routes: [`default via 10.${own}.0.1`],
    forwards: false,
    rpFilter: 0,
  });
  return {
    hosts: [end('branch', 1), end('hub', 2), client('a', 1), client('b', 2)],
    bridges: [],
    cables: [
      { host: 'a', dev: 'lan0', peer: 'branch', peerDev: 'lan0' },
      { host: 'b', dev: 'lan0', peer: 'hub', peerDev: 'lan0' },
      { host: 'branch', dev: 'line1', peer: 'hub', peerDev: 'line1' },
      { host: 'branch', dev: 'line2', peer: 'hub', peerDev: 'line2' },
    ],
    wans: [],
    sharedPort: false,
    ipv6: false,
  };
}

const AT_HUB = 'NEAR1=203.0.113.2 FAR1=203.0.113.1 NEAR2=203.0.113.6 FAR2=203.0.113.5';

/** Makes the example's IPIP tunnels, or pairs of devices instead where the kernel has no IPIP. */
async function makeTunnels(branch: Host, hub: Host): Promise<string> {
  const probe = await branch.exec(['ip', 'link', 'add', 'probe', 'type', 'ipip', 'remote', '203.0.113.2'], {
    okCodes: 'any',
  });
  if (probe.code === 0) {
    await branch.sh('ip link del probe');
    await branch.exec(exampleCommand('sh tunnels.sh links'));
    await hub.exec(exampleCommand(`env ${AT_HUB} sh tunnels.sh links`));
    return 'IPIP';
  }
  // Like a tunnel these devices do not resolve neighbours; frames go to the device's own address, the same at both ends.
  const end = (k: number) => `ip link set tun${k} address 02:00:00:00:00:0${k} arp off up`;
  await branch.sh('for k in 1 2; do ip link add tun$k type veth peer name tun$k netns hub; done');
  for (const host of [branch, hub]) await host.sh(`${end(1)}; ${end(2)}; ip route add default dev tun1`);
  return `plain links (this kernel has no IPIP: ${probe.stderr.trim()})`;
}

describe('the example of two tunnels', needs(nfqueue, addon), () => {
  it('balances each direction separately: connections with and without a daemon, and packets', async (t) => {
    const network = tunnelNetwork();
    const sandbox = await Sandbox.start();
    try {
      await sandbox.exec(['sh'], { input: buildScript(network) });
      const [branch, hub, a, b] = network.hosts.map((plan) => new Host(sandbox, plan)) as [
        Host,
        Host,
        Host,
        Host,
      ];
      t.diagnostic(`tunnels: ${await makeTunnels(branch, hub)}`);
      await Promise.all([a, b].map((host) => host.serve(PORT)));
      // Each end counts connections that begin by each tunnel (nat sees only their first packet, no retransmission),
      // answers that come by the tunnel of their connection or by the other, and datagrams.
      for (const host of [branch, hub]) {
        const rules = [1, 2].flatMap((k) => [
          `-t nat -A PREROUTING -i tun${k} -p tcp`,
          `-t mangle -A FORWARD -i tun${k} -p tcp -m conntrack --ctdir REPLY -m connmark --mark ${markOf(k)}`,
          `-t mangle -A FORWARD -i tun${k} -p tcp -m conntrack --ctdir REPLY -m connmark ! --mark ${markOf(k)}`,
          `-t mangle -A FORWARD -i tun${k} -p udp`,
        ]);
        await host.sh(rules.map((rule) => `iptables ${rule}`).join('\n'));
      }
      const before = await snapshot(branch);
      const byTunnel = async (host: Host, table: string, chain: string, rest: string) => {
        const count = (k: number) => packets(host, table, chain, new RegExp(`-i tun${k} ${rest}`));
        return [await count(1), await count(2)];
      };
      const begun = (host: Host) => byTunnel(host, 'nat', 'PREROUTING', '-p tcp');
      const datagrams = (host: Host) => byTunnel(host, 'mangle', 'FORWARD', '-p udp');
      const answers = async (host: Host) => ({
        own: (await byTunnel(host, 'mangle', 'FORWARD', '.* --mark')).every((count) => count > 0),
        other: (await byTunnel(host, 'mangle', 'FORWARD', '.* ! --mark')).some((count) => count > 0),
      });
      const zero = () =>
        Promise.all([branch, hub].map((host) => host.sh('iptables -t nat -Z; iptables -t mangle -Z')));
      const connect = async (from: Host, proto: 'tcp' | 'udp', count: number) => {
        const to = from === a ? '10.2.0.11' : '10.1.0.11';
        const flows = await from.agent.request<Flow[]>({
          ...{ op: 'connect', proto, family: 4, to, port: PORT, count, concurrency: 8 },
          ...{ from: [], tag: 'tunnel', hold: false, timeoutMs: 10_000 },
        });
        assert.deepEqual(
          flows.filter(({ error }) => error),
          [],
        );
      };
      // The two hosts share a file system here, so each needs its own place for state.
      const tunnels = (host: Host, words: string) =>
        exampleCommand(
          `env WANMARK_RUN=/run/${host.name} WANMARK_SOCKET=/run/${host.name}.sock sh tunnels.sh ${words}`,
        );
      const both = (words: string) =>
        Promise.all([branch, hub].map((host) => host.exec(tunnels(host, words))));

      const connections = async (what: string) => {
        await zero();
        await connect(a, 'tcp', 20);
        await connect(b, 'tcp', 10);
        assert.deepEqual(await begun(hub), [10, 10], `${what}: begun at the branch`);
        assert.deepEqual(await begun(branch), [5, 5], `${what}: begun at the hub`);
        for (const host of [branch, hub])
          assert.deepEqual(await answers(host), { own: true, other: false }, what);
      };
      await both('up --engine kernel --kernel-mode nth');
      await connections('kernel');

      await both('up');
      const daemons: Program[] = [branch, hub].map((host) =>
        host.spawn(tunnels(host, 'run --deadline 10000')),
      );
      for (const daemon of daemons) await daemon.waitForLine((line) => line.includes('"msg":"started"'));
      await connections('daemon');
      for (const daemon of daemons) await daemon.kill('SIGTERM');
      for (const daemon of daemons) assert.equal((await daemon.exited).code, 0);

      await both('up --engine kernel --kernel-mode nth --per packet');
      await zero();
      await connect(a, 'udp', 30);
      assert.deepEqual(await datagrams(hub), [15, 15], 'packets of the branch');
      assert.deepEqual(await datagrams(branch), [15, 15], 'answers of the hub, spread by itself');
      await both('down');
      // The kernel's own IPv6 addresses appear a moment after the devices.
      const left = differences(before, await snapshot(branch)).filter((line) => !line.includes('fe80::'));
      assert.deepEqual(left, []);
    } finally {
      await sandbox.stop();
    }
  });
});
