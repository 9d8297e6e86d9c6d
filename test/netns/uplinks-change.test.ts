/** Uplinks whose address, gateway or device changes, or appears only later. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Lab, LabFlow } from '#wanmark/lab/lab.js';
import { type LabWan, SERVER } from '#wanmark/lab/network.js';
import type { Daemon } from '#wanmark/lab/wanmark.js';
import { withLab } from '../helpers/lab.js';
import { markOf, WAN_MASK } from '../helpers/marks.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { eventually, ipRules, packets, routes } from '../helpers/router-state.js';
import { statusOf } from '../helpers/status.js';
import { tally } from '../helpers/traffic.js';
import { stateLines, waitForState } from '../helpers/uplinks.js';

const RUN: readonly string[] = [];
const PING = ['--check', `all=ping,to=${SERVER[4]},interval=0.5`];
/** The promise is a second, and the tests print the time it took; an emulated machine is 50 times slower. */
const MOST_MS = 60_000;
const INBOUND_PORT = 2222;

const [ONE, TWO, THREE] = ['198.51.100.2', '198.51.100.10', '198.51.100.18'] as const;
/** Another lease for wan2: the addresses of the gateway and of the router. */
const NEXT_GATEWAY = '198.51.100.129';
const NEXT = '198.51.100.130';

/** `via=auto` on each WAN that has a gateway. */
const auto = (wan: LabWan): LabWan => ({ ...wan, via: 'auto' });

/** Makes the routes that DHCP clients leave in the main table, and a provider with more than one network. */
async function prepareDhcp(lab: Lab): Promise<void> {
  await lab.router.sh(`ip route add default via 198.51.100.9 dev wan2 metric 102
    ip route add default via 198.51.100.17 dev wan3 metric 103`);
  await prepareNext(lab);
  await lab.host('gw2').sh(`ip addr add ${NEXT_GATEWAY}/29 dev up0`);
}

async function prepareNext(lab: Lab): Promise<void> {
  await lab.server.sh('ip route add 198.51.100.128/29 via 203.0.113.102');
}

/** Connections by the source address that the server saw; failed ones by their error. */
function seen(flows: readonly LabFlow[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { error, seenAs } of flows) {
    const key = error ?? seenAs.at(-1)!.address;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

const connect = async (lab: Lab, count: number) => seen(await lab.connect({ count }));

/** Waits until the table of wan2 and the ip rules that lead there are right, and prints how long that took. */
async function followed(
  t: TestContext,
  lab: Lab,
  since: number,
  route: RegExp,
  address: string | undefined,
): Promise<void> {
  const wanted = [`fwmark ${markOf(2)}`, ...(address === undefined ? [] : [address])];
  const fits = ({ table, rules }: { table: string[]; rules: string[] }) =>
    table.length === 1 && route.test(table[0]!) && rules.join() === wanted.join();
  const ask = async () => {
    const rules = (await ipRules(lab.router)).filter((rule) => rule.includes('lookup 1002'));
    const from = rules.map((rule) => rule.replace(/^from (all )?| lookup .*/g, ''));
    return { table: await routes(lab.router, 1002), rules: from };
  };
  await eventually(ask, fits, `table 1002 is ${route}, for ${wanted}`, MOST_MS);
  t.diagnostic(
    `routes and rules were right ${Math.round(performance.now() - since)} ms after the first command`,
  );
}

/** Runs `happens` and waits until the daemon calls wan2 down. @returns the reason */
async function isDown(t: TestContext, daemon: Daemon, happens: () => Promise<unknown>): Promise<string> {
  const start = Date.now();
  await happens();
  const { reason, since } = await waitForState(daemon, 'wan down', 'wan2');
  t.diagnostic(`it was known ${Date.parse(since) - start} ms after the start of the first command`);
  return reason;
}

/** Asserts that a connection from outside is answered by the device it came in by. */
async function answers(lab: Lab, to: string): Promise<void> {
  await lab.router.agent.request({ op: 'serve', port: INBOUND_PORT, addresses: [to] });
  const [flow] = await lab.connect({ from: lab.server, to, port: INBOUND_PORT });
  assert.equal(flow?.error, undefined, `from outside to ${to}`);
}

const said = (daemon: Daemon, text: string) => daemon.program.lines.filter((line) => line.includes(text));

/** Makes a point-to-point link without neighbours to resolve, like PPP: both ends have the same MAC address. */
async function dial(lab: Lab, index: number, address: string, peer: string): Promise<void> {
  const mac = '02:00:00:00:00:99';
  await lab.sandbox.exec(['sh', '-e'], {
    input: `
      ip link add wan2 index ${index} netns router address ${mac} type veth peer name up0 index ${index + 1} netns gw2
      ip -n gw2 link set up0 address ${mac} arp off up
      ip -n gw2 addr add ${peer} peer ${address} dev up0
      ip -n router link set wan2 arp off up
      ip -n router addr add ${address} peer ${peer} dev wan2`,
  });
}

const hangUp = (lab: Lab) => lab.router.sh('ip link del wan2');

describe('an uplink that changes', needs(nfqueue, addon), () => {
  for (const order of ['the new one before the old one goes', 'the old one goes first'] as const) {
    it(`gets another address and gateway, ${order}`, async (t) => {
      const options = {
        wans: 3,
        ipv6: false,
        tell: auto,
        prepare: prepareDhcp,
        up: [],
        run: [...RUN, ...PING],
      };
      await withLab(options, async ({ lab, daemon, wanmark }) => {
        assert.deepEqual(await connect(lab, 9), { [ONE]: 3, [TWO]: 3, [THREE]: 3 });
        const held = await lab.connect({ count: 3, hold: true });
        const udp = await lab.connect({ count: 3, hold: true, proto: 'udp' });
        await lab.host('gw2').sh(`iptables -t raw -A PREROUTING -s ${NEXT} -p icmp`);
        const start = performance.now();
        const goes = `ip addr del ${TWO}/29 dev wan2`;
        const comes = `ip addr add ${NEXT}/29 dev wan2
          ip route replace default via ${NEXT_GATEWAY} dev wan2 metric 102`;
        const first = order === 'the old one goes first';
        if (first)
          assert.equal(await isDown(t, daemon, () => lab.router.sh(goes)), 'device wan2 has no IPv4 address');
        if (first) assert.deepEqual(await connect(lab, 10), { [ONE]: 5, [THREE]: 5 });
        const second = first ? performance.now() : start;
        await lab.router.sh(first ? comes : `${comes}\n${goes}`);
        const during = await lab.connect({ count: 12, concurrency: 2 });
        assert.deepEqual(
          during.filter(({ error }) => error !== undefined),
          [],
        );
        await followed(t, lab, second, new RegExp(`^default via ${NEXT_GATEWAY} dev wan2 `), NEXT);

        if (first) await waitForState(daemon, 'wan up', 'wan2');
        assert.deepEqual(await connect(lab, 9), { [ONE]: 3, [NEXT]: 3, [THREE]: 3 });
        // No connection of the old address hangs: the client's next packets have the new one.
        const again = await lab.exchange(lab.client, udp, 20_000);
        assert.deepEqual(
          again.map(({ error }) => error),
          [undefined, undefined, undefined],
        );
        assert.ok(!(TWO in seen(again)), JSON.stringify(seen(again)));
        assert.deepEqual(seen(await lab.exchange(lab.client, held, 20_000)), {
          [ONE]: 1,
          ECONNRESET: 1,
          [THREE]: 1,
        });
        await answers(lab, NEXT);
        await eventually(
          () => packets(lab.host('gw2'), 'raw', 'PREROUTING', new RegExp(`-s ${NEXT}/`)),
          (count) => count > 3,
          'the checks have the new address',
        );
        const [, two] = (await statusOf(wanmark)).wans;
        assert.equal(two?.state, 'up');
        assert.match(two.reason, first ? /^(ping|device)/ : /^ping 203\.0\.113\.10: /);
        assert.equal(stateLines(daemon).length, first ? 2 : 0, JSON.stringify(stateLines(daemon)));
        assert.deepEqual(said(daemon, 'put back'), []);
      });
    });
  }

  it('gets another gateway and keeps its connections; without a gateway it is down until there is one', async (t) => {
    const options = { wans: 3, ipv6: false, tell: auto, prepare: prepareDhcp, up: [], run: RUN };
    await withLab(options, async ({ lab, daemon, wanmark }) => {
      const held = await lab.connect({ count: 3, hold: true });
      const start = performance.now();
      await lab.host('gw2').sh('ip addr del 198.51.100.9/29 dev up0; ip addr add 198.51.100.11/29 dev up0');
      await lab.router.sh('ip route replace default via 198.51.100.11 dev wan2 metric 102');
      await followed(t, lab, start, /^default via 198\.51\.100\.11 dev wan2 /, TWO);
      assert.deepEqual(await connect(lab, 9), { [ONE]: 3, [TWO]: 3, [THREE]: 3 });
      assert.deepEqual(seen(await lab.exchange(lab.client, held)), { [ONE]: 1, [TWO]: 1, [THREE]: 1 });
      assert.deepEqual(stateLines(daemon), []);

      const reason = await isDown(t, daemon, () => lab.router.sh('ip route del default dev wan2'));
      assert.equal(reason, 'the main table has no IPv4 default route by device wan2');
      assert.deepEqual(await connect(lab, 10), { [ONE]: 5, [THREE]: 5 });
      assert.equal((await statusOf(wanmark)).wans[1]?.reason, reason);
      await followed(t, lab, performance.now(), /^unreachable default /, TWO);
      assert.deepEqual(await connect(lab, 10), { [ONE]: 5, [THREE]: 5 });
      const back = performance.now();
      await lab.router.sh('ip route add default via 198.51.100.11 dev wan2 metric 102');
      await followed(t, lab, back, /^default via 198\.51\.100\.11 dev wan2 /, TWO);
      await waitForState(daemon, 'wan up', 'wan2');
      assert.deepEqual(await connect(lab, 9), { [ONE]: 3, [TWO]: 3, [THREE]: 3 });
    });
  });

  it('loses the gateway of one family, and keeps working with the other', async (t) => {
    const tell = (wan: LabWan): LabWan => ({ ...wan, via: 'auto', via6: 'auto' });
    const prepare = async (lab: Lab) => {
      await prepareDhcp(lab);
      await lab.router.sh(`ip -6 route add default via 2001:db8:a02::1 dev wan2 metric 1102
        ip -6 route add default via 2001:db8:a03::1 dev wan3 metric 1103`);
    };
    await withLab({ wans: 3, tell, prepare, up: [], run: RUN }, async ({ lab, daemon }) => {
      const six = async (count: number) => tally(await lab.connect({ count, family: 6 }));
      assert.deepEqual(await six(9), { wan1: 3, wan2: 3, wan3: 3 });
      await lab.router.sh('ip -6 route del default dev wan2');
      const { reason } = await waitForState(daemon, 'wan down', 'wan2', 6);
      assert.equal(reason, 'the main table has no IPv6 default route by device wan2');
      assert.deepEqual(await six(10), { wan1: 5, wan3: 5 });
      assert.deepEqual(await connect(lab, 9), { [ONE]: 3, [TWO]: 3, [THREE]: 3 });
      await lab.host('gw2').sh('ip -6 addr add fe80::2 dev up0 nodad');
      const start = performance.now();
      await lab.router.sh('ip -6 route add default via fe80::2 dev wan2 metric 1102');
      await waitForState(daemon, 'wan up', 'wan2', 6);
      t.diagnostic(`it was used again ${Math.round(performance.now() - start)} ms after the first command`);
      assert.match((await routes(lab.router, 1002, 6)).join(), /^default via fe80::2 dev wan2 /);
      assert.deepEqual(await six(9), { wan1: 3, wan2: 3, wan3: 3 });
      assert.ok(stateLines(daemon).every(({ wan, family }) => wan === 'wan2' && family === 6));
    });
  });

  it('is a point-to-point device that goes and comes back with another index and address', async (t) => {
    const tell = (wan: LabWan) => (wan.name === 'wan2' ? { ...wan, via: 'dev' } : wan);
    const prepare = async (lab: Lab) => {
      await hangUp(lab);
      await dial(lab, 901, TWO, '198.51.100.9');
      await prepareNext(lab);
    };
    await withLab(
      { wans: 3, ipv6: false, tell, prepare, up: [], run: RUN },
      async ({ lab, daemon, wanmark }) => {
        assert.deepEqual(await connect(lab, 9), { [ONE]: 3, [TWO]: 3, [THREE]: 3 });
        assert.equal(await isDown(t, daemon, () => hangUp(lab)), 'device wan2 is gone');
        assert.deepEqual(await connect(lab, 10), { [ONE]: 5, [THREE]: 5 });
        const [, gone] = (await statusOf(wanmark)).wans;
        assert.deepEqual([gone?.state, gone?.reason], ['down', 'device wan2 is gone']);

        const start = performance.now();
        await dial(lab, 911, NEXT, NEXT_GATEWAY);
        const during = await lab.connect({ count: 12, concurrency: 2 });
        assert.deepEqual(
          during.filter(({ error }) => error !== undefined),
          [],
        );
        await followed(t, lab, start, /^default dev wan2 /, NEXT);
        await waitForState(daemon, 'wan up', 'wan2');
        assert.deepEqual(await connect(lab, 9), { [ONE]: 3, [NEXT]: 3, [THREE]: 3 });
        await answers(lab, NEXT);
        // A user's own rule queues an inbound connection, which is known by the device's new index and not decided.
        await lab.router.sh(`iptables -t mangle -I PREROUTING -i wan2 -p tcp --dport ${INBOUND_PORT} \\
        -m conntrack --ctstate NEW -m mark --mark 0/${WAN_MASK} -j NFQUEUE --queue-num 0`);
        const [flow] = await lab.connect({ from: lab.server, to: NEXT, port: INBOUND_PORT });
        assert.equal(flow?.error, undefined);
        assert.ok((await packets(lab.router, 'mangle', 'PREROUTING', /NFQUEUE/)) > 0, 'it was asked for');
        assert.deepEqual(said(daemon, 'put back'), []);
        await daemon.stop();
        assert.deepEqual(
          daemon.decisions.filter(({ dport }) => dport === INBOUND_PORT),
          [],
        );
      },
    );
  });

  it('is missing at the start: up and run say so, the others work, and it is used when it appears', async (t) => {
    const tell = (wan: LabWan) => (wan.name === 'wan2' ? { ...wan, via: 'dev' } : wan);
    const prepare = async (lab: Lab) => {
      await hangUp(lab);
      await prepareNext(lab);
    };
    await withLab({ wans: 3, ipv6: false, tell, prepare }, async ({ lab, wanmark }) => {
      const { stderr } = await wanmark.up('--lan', 'lan1');
      assert.match(
        stderr,
        /^wanmark: warning: WAN "wan2": device wan2 does not exist yet; did you mean wan[13]\?$/m,
      );
      assert.match(stderr, /^wanmark: warning: --lan lan1 does not exist yet; did you mean lan0\?$/m);
      await wanmark.up();
      const daemon = await wanmark.run(...RUN);
      assert.equal(said(daemon, 'device wan2 does not exist yet; did you mean').length, 1);
      const [, two] = (await statusOf(wanmark)).wans;
      assert.deepEqual([two?.state, two?.reason], ['down', 'device wan2 is gone']);
      assert.deepEqual(await connect(lab, 10), { [ONE]: 5, [THREE]: 5 });
      const start = performance.now();
      await dial(lab, 911, NEXT, NEXT_GATEWAY);
      await followed(t, lab, start, /^default dev wan2 /, NEXT);
      await waitForState(daemon, 'wan up', 'wan2');
      assert.deepEqual(await connect(lab, 9), { [ONE]: 3, [NEXT]: 3, [THREE]: 3 });
      await answers(lab, NEXT);
      const { stdout } = await lab.router.sh('cat /proc/sys/net/ipv4/conf/wan2/src_valid_mark');
      assert.equal(stdout.trim(), '1');
      await daemon.stop();
    });
  });

  it('has another network when the daemon starts: the daemon says so, and the others work', async (t) => {
    await withLab({ wans: 3, ipv6: false }, async ({ lab, wanmark }) => {
      await lab.router.sh('ip addr add 192.0.2.2/24 dev wan2; ip addr del 198.51.100.10/29 dev wan2');
      const up = await wanmark.up();
      assert.match(up.stderr, /gateway 198\.51\.100\.9 is not on the network of wan2; .* left out$/m);
      const daemon = await wanmark.run(...RUN);
      assert.equal(said(daemon, 'is not on the network of wan2 (192.0.2.0/24)').length, 1);
      const [, two] = (await statusOf(wanmark)).wans;
      assert.deepEqual(
        [two?.state, two?.reason],
        ['down', 'gateway 198.51.100.9 is not on the network of device wan2'],
      );
      assert.deepEqual(await connect(lab, 10), { [ONE]: 5, [THREE]: 5 });
      const start = performance.now();
      await lab.router.sh('ip addr add 198.51.100.10/29 dev wan2; ip addr del 192.0.2.2/24 dev wan2');
      await followed(t, lab, start, /^default via 198\.51\.100\.9 dev wan2 /, TWO);
      await waitForState(daemon, 'wan up', 'wan2');
      assert.deepEqual(await connect(lab, 9), { [ONE]: 3, [TWO]: 3, [THREE]: 3 });
      await daemon.stop();
    });
  });

  for (const [flags, control] of [
    [[], 'put back'],
    [['--no-repair'], 'rules are missing'],
  ] as const) {
    it(`is switched off and on repeatedly: that is not a fight, and its route comes back ${flags}`, async (t) => {
      const options = { wans: 3, ipv6: false, up: [], run: [...RUN, ...flags] };
      await withLab(options, async ({ lab, daemon }) => {
        let longest = 0;
        for (let i = 0; i < 4; i++) {
          const start = performance.now();
          await lab.router.sh('ip link set wan2 down; ip link set wan2 up');
          const there = (lines: string[]) =>
            lines.some((line) => line.startsWith('default via 198.51.100.9 dev wan2'));
          await eventually(() => routes(lab.router, 1002), there, 'the route is back', MOST_MS);
          longest = Math.max(longest, performance.now() - start);
        }
        t.diagnostic(`its route was back ${Math.round(longest)} ms after the first command at most`);
        for (const text of ['put back', 'are missing', 'could not']) assert.deepEqual(said(daemon, text), []);
        // As a control, the removal of a route by somebody else is logged.
        await lab.router.sh('ip route flush table 1001');
        await daemon.program.waitForLine((line) => line.includes(control));
      });
    });
  }
});
