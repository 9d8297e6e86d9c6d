// What has a WAN's mark and is no connection of it: what came in, and the daemon's own probes.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Lab } from '#wanmark/lab/lab.js';
import { LAN_SERVER, SERVER } from '#wanmark/lab/network.js';
import type { Wanmark } from '#wanmark/lab/wanmark.js';
import { withLab } from '../helpers/lab.js';
import { WAN_FIELD } from '../helpers/marks.js';
import { addon, conntrackTable, needs, nfqueue } from '../helpers/requires.js';
import { type ConntrackEntry, conntrack, eventually, packets } from '../helpers/router-state.js';
import { statusOf } from '../helpers/status.js';
import { tally } from '../helpers/traffic.js';

const TARGETS = fileURLToPath(new URL('../helpers/targets.js', import.meta.url));
const LC = ['--strategy', 'least-connections'];
/** The weights, and where 24 held connections go by them when nothing else counts. */
const WEIGHTS = [5, 1];
const FAIR = { wan1: 20, wan2: 4 };
/** A port whose packets the server and the LAN's server drop. */
const SILENT = 9;
const ROUTER_PORT = 2222;
/** An address behind the LAN's server. */
const INNER = '2001:db8:77::1';

async function connections(wanmark: Wanmark): Promise<(number | null)[]> {
  return (await statusOf(wanmark)).wans.map((wan) => wan.connections);
}

/** Waits until the status counts these connections of the WANs, and no others. */
function counts(wanmark: Wanmark, expected: readonly number[]): Promise<unknown> {
  return eventually(
    () => connections(wanmark),
    (all) => all.join() === expected.join(),
    `${expected} connections`,
  );
}

/** Waits until conntrack has at least `count` entries of a kind for each WAN. */
function listed(lab: Lab, count: number, kind: (entry: ConntrackEntry) => boolean): Promise<unknown> {
  return eventually(
    () => conntrack(lab.router),
    (all) =>
      lab.wans.every(
        ({ number }) =>
          all.filter((one) => WAN_FIELD.decode(one.mark) === number && kind(one)).length >= count,
      ),
    `${count} entries for each WAN`,
  );
}

describe('what is no connection of a WAN', needs(nfqueue, addon, conntrackTable), () => {
  it('is a probe of a check, running or over, answered or not', async () => {
    // Two late answers at the start would take a WAN down, whatever `fall` is, and a slow machine needs a second for one.
    const every = 'interval=0.2,timeout=2,fall=1000';
    const server = `http://${SERVER[4]}`;
    const checks = [
      `all=ping,to=${SERVER[4]}+${SERVER[6]},${every}`,
      `all=dns,to=${SERVER[4]},${every}`,
      `all=tcp,to=${SERVER[4]}:80+${SERVER[4]}:${SILENT},${every}`,
      `all=http,to=${server}/a+https://${SERVER[4]}:${SILENT}/b,${every}`,
    ].flatMap((check) => ['--check', check]);
    const prepare = async (lab: Lab) => {
      await lab.server.sh(`iptables -A INPUT -p tcp --dport ${SILENT} -j DROP`);
      await lab.server.spawn([process.execPath, TARGETS, SERVER[4]]).waitForLine(/^ready/);
    };
    await withLab(
      { weights: WEIGHTS, up: [], run: [...LC, ...checks], prepare },
      async ({ lab, wanmark }) => {
        const mine = ({ src }: ConntrackEntry) => lab.router.addresses[4].includes(src);
        // By then the probes of the other kinds have been over several times, too.
        await listed(lab, 8, ({ proto }) => proto === 'icmp' || proto === 'icmpv6');
        await counts(wanmark, [0, 0]);
        // Silent ones run nearly all the time, and are not counted meanwhile either.
        const began = () => packets(lab.server, 'filter', 'INPUT', /-j DROP/);
        for (const until = (await began()) + 12; (await began()) < until; ) {
          assert.deepEqual(await connections(wanmark), [0, 0]);
        }
        assert.deepEqual(tally(await lab.connect({ count: 24, hold: true })), FAIR);
        await counts(wanmark, [20, 4]);

        // What is left of the probes are those that run, and closed ones: nothing that conntrack takes for alive. One that
        // has just ended is there until it is forgotten; what is never forgotten is more at each look.
        await eventually(
          async () => (await conntrack(lab.router)).filter(mine),
          (table) =>
            table.filter(({ text, dport }) => dport === SILENT && text.includes('SYN_SENT')).length <=
              2 * lab.wans.length &&
            table.filter(({ proto, dport }) => proto === 'udp' && dport === 53).length <= lab.wans.length,
          'only the probes that run',
        );

        // The router's own connections count, as those of a proxy.
        await lab.connect({ from: lab.router, count: 6, hold: true });
        await eventually(
          () => connections(wanmark),
          ([one, two]) => one! + two! === 30,
          "the router's own connections",
        );
      },
    );
  });

  it('is what came in: pings, UDP and TCP to the router, port-forwarded and routed, and half-open ones', async () => {
    await withLab({ weights: WEIGHTS, lanServer: true, up: [], run: LC }, async ({ lab, wanmark }) => {
      const [wan] = lab.wans;
      const lanServer = lab.host('lanserver');
      await lab.router.serve(ROUTER_PORT);
      await lanServer.serve(ROUTER_PORT);
      await lanServer.sh(`iptables -A INPUT -p tcp --dport ${SILENT} -j DROP`);
      const forward = `iptables -t nat -A PREROUTING -i ${wan!.dev} -p tcp --dport`;
      await lab.router.sh(
        [8080, SILENT]
          .map(
            (port) =>
              `${forward} ${port} -j DNAT --to ${LAN_SERVER[4]}:${port === SILENT ? SILENT : ROUTER_PORT}`,
          )
          .join('\n'),
      );
      // A network behind an inner router, which the daemon does not know from its start; it is reached by one WAN alone.
      await lanServer.sh(`ip -6 addr add ${INNER} dev lo nodad`);
      await lanServer.agent.request({ op: 'serve', port: ROUTER_PORT, addresses: [INNER] });
      await lab.router.sh(`ip -6 route add ${INNER} via ${LAN_SERVER[6]}`);
      await lab.gateway(wan!).sh(`ip -6 route add ${INNER} via ${wan!.address6}`);
      await lab.server.sh(`ip -6 route add ${INNER} via ${await nextHop(lab, wan!.inbound)}`);

      const hold = { from: lab.server, hold: true, count: 30 } as const;
      for (const to of wan!.inbound) {
        const family = to.includes(':') ? 6 : 4;
        await lab.connect({ ...hold, to, family, port: ROUTER_PORT });
        await lab.connect({ ...hold, to, family, port: ROUTER_PORT, proto: 'udp' });
      }
      const flows = [
        ...(await lab.connect({ ...hold, to: wan!.inbound[0]!, port: 8080 })),
        ...(await lab.connect({ ...hold, to: INNER, family: 6, port: ROUTER_PORT })),
      ];
      assert.deepEqual(tally(flows), { none: 60 });
      const pings = `for i in $(seq 30); do ping -qc1 -W9 ${wan!.inbound[0]} & done; wait`;
      await lab.server.exec(['bash', '-c', pings]);
      await lab.server.exec([
        'bash',
        '-c',
        `for i in $(seq 30); do timeout 1 bash -c '>/dev/tcp/${wan!.inbound[0]}/${SILENT}' & done; wait`,
      ]);
      assert.ok(
        (await conntrack(lab.router)).filter(({ mark }) => WAN_FIELD.decode(mark) === wan!.number).length >=
          240,
      );

      await counts(wanmark, [0, 0]);
      assert.deepEqual(tally(await lab.connect({ count: 24, hold: true })), FAIR);
      await counts(wanmark, [20, 4]);
    });
  });
});

/** The next hop of the server's route to the first IPv6 address. */
async function nextHop(lab: Lab, addresses: readonly string[]): Promise<string> {
  const to = addresses.find((address) => address.includes(':'))!;
  const { stdout } = await lab.server.exec(['ip', '-6', 'route', 'get', to]);
  return / via (\S+)/.exec(stdout)![1]!;
}
