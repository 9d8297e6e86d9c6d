/**
 * What `explain` says, and where packets go. WANMARK_EXPLAIN_CONFIGS=N random configurations (3), each with
 * WANMARK_EXPLAIN_PACKETS=N packets (15); WANMARK_EXPLAIN_SEED=N (1) draws others, or repeats what failed.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { RawConfig } from '#wanmark/config/options.js';
import { seeded } from '../helpers/random.js';
import { addon, needs, nfqueue, program } from '../helpers/requires.js';
import { isForLan, type Probe, randomConfig, randomProbe, randomStates } from './explain-config.js';
import { Draw } from './explain-draw.js';
import { randomForeign } from './explain-foreign.js';
import { CLIENTS, PORTS, ROUTER, SERVERS, startMachine } from './explain-machine.js';
import { type Machine, PATIENT_MS, wans } from './rules-harness.js';
import { done, startDaemon } from './rules-steps.js';

const CONFIGS = Number(process.env.WANMARK_EXPLAIN_CONFIGS ?? 3);
const PACKETS = Number(process.env.WANMARK_EXPLAIN_PACKETS ?? 15);
const SEED = Number(process.env.WANMARK_EXPLAIN_SEED ?? 1);

/** How long to wait for an answer that must not come. */
const SILENCE_MS = 300;

describe('explain', needs(nfqueue, addon, program('ipset')), () => {
  let machine: Machine;
  /** Who sends what comes in by a device. */
  let macs: Record<string, string>;
  let listed: string;

  before(async () => {
    machine = await startMachine();
    const macOf = (netns: string, device: string) =>
      machine.sh(`ip -n ${netns} -o link show ${device}`).match(/link\/ether (\S+)/)![1]!;
    const gateways = [1, 2, 3].map((k) => [`w${k}`, macOf('inet', `g${k}`)]);
    macs = { lan0: macOf('client', 'eth0'), ...Object.fromEntries(gateways) };
    listed = join(machine.directory, 'listed.txt');
    writeFileSync(listed, '203.0.113.128/25\n2001:db8:fe::/48 # the third server\n');
  });
  after(() => machine.stop());

  /** What `explain` says of a packet whose source port is this one. */
  const explained = ({ family, proto, src, dst, dport, in: device, mark }: Probe, sport: number) => {
    const [from, to] = [src ?? 'router', dst].map((one) =>
      family === 6 && one.includes(':') ? `[${one}]` : one,
    );
    const source =
      src === undefined
        ? [`router:${sport}`, '--uid', '0']
        : [`${from}:${sport}`, '--in', device!, '--mac', macs[device!]!, '--mark', String(mark)];
    const result = machine.command([
      'explain',
      ...source,
      `${to}:${dport}`,
      '--proto',
      proto,
      '--dscp',
      '0',
      '--json',
    ]);
    assert.equal(result.status, 0, result.stderr);
    return JSON.parse(result.stdout);
  };

  /** The source that the server may see, for each way: an address, or `failed`. */
  const visible = (
    answer: { packet: { src: string }; ways: { fate: string; dev: string; nat: string | null }[] },
    probe: Probe,
    config: RawConfig = {},
  ) =>
    answer.ways.map(({ fate, dev, nat }) => {
      if (fate !== 'leaves' && fate !== 'local') return 'failed';
      if (fate === 'leaves' && dev !== 'lan0' && isForLan(probe, config)) return 'failed';
      if (nat !== 'masquerade') return nat ?? answer.packet.src;
      return ROUTER[probe.family][dev]!;
    });

  const send = async ({ proto, src, dst, dport, in: device }: Probe, patienceMs: number) => {
    const args = [proto, '1', dst, String(dport), ...(src === undefined ? [] : [src])];
    const where = device === undefined ? undefined : device === 'lan0' ? 'client' : 'inet';
    const [line = 'failed: nothing'] = await machine.call(args, where, patienceMs);
    return line.startsWith('failed') ? 'failed' : line;
  };

  const ends = (all: readonly string[]) => (all.every((one) => one === 'failed') ? SILENCE_MS : PATIENT_MS);

  /** What packets met with a random configuration that was not what `explain` said of them. */
  const compared = async (seed: number): Promise<unknown[]> => {
    const draw = new Draw(seeded(seed));
    const config = randomConfig(draw, macs.lan0!, listed);
    const foreign = randomForeign(draw);
    const states = draw.isIn(3) ? undefined : randomStates(draw, config);
    const others = (verb: string) =>
      machine.sh(foreign.map(({ family, words }) => `ip -${family} rule ${verb} ${words}`).join('\n'));
    others('add');
    done(machine, 'up', config);
    if (states !== undefined) assert.equal(machine.refresh(states).status, 0);
    const compare = async () => {
      const probe = randomProbe(draw, config.service !== undefined);
      const answer = explained(probe, machine.nextPort);
      const expected = visible(answer, probe, config);
      const seen = await send(probe, ends(expected));
      const isRight = expected.includes(seen) && answer.unsure.length === 0;
      return isRight ? [] : [{ seed, seen, expected, probe, config, foreign, states, answer }];
    };
    const wrong = await Promise.all(Array.from({ length: PACKETS }, compare));
    others('del');
    return wrong.flat();
  };

  test(`says where packets of random configurations go, seed ${SEED}`, async () => {
    const wrong: unknown[] = [];
    for (let i = 0; i < CONFIGS; i++) wrong.push(...(await compared(SEED + i)));
    assert.equal(wrong.length, 0, wrong.map((one) => JSON.stringify(one)).join('\n'));
  });

  test("says what rp_filter loses because of somebody else's rule", async () => {
    done(machine, 'up', { wan: wans([1, 1, 1]) });
    const inbound = { family: 4, proto: 'udp', src: SERVERS[4][1], dst: ROUTER[4].w1!, mark: 0 } as const;
    const compare = async () => {
      const probe: Probe = { ...inbound, dport: PORTS[0], in: 'w1' };
      const answer = explained(probe, machine.nextPort);
      const expected = visible(answer, probe);
      assert.deepEqual([await send(probe, ends(expected))], expected);
      return answer.ways[0];
    };
    assert.equal((await compare()).fate, 'local');
    machine.sh(`ip rule add priority 30008 to ${inbound.src} lookup 701`);
    assert.equal(machine.wanmark('refresh').status, 0);
    const lost = await compare();
    assert.deepEqual([lost.fate, lost.dev, lost.table], ['filtered', 'w3', '701']);
    const args = ['explain', inbound.src, `${inbound.dst}:7000`, '--proto', 'udp', '--in', 'w1'];
    const { stdout } = machine.command(args);
    assert.match(stdout, /^goes +nowhere: rp_filter loses it, since the way back is by wan3, w3 /m);
    machine.sh('ip rule del priority 30008');
    assert.equal(machine.wanmark('refresh').status, 0);
    assert.equal((await compare()).fate, 'local');
  });

  test('says what a hash of the source gives a client, with the daemon, and what conntrack has', async () => {
    const config: RawConfig = {
      wan: wans([1, 1, 1]),
      strategy: 'source-hash',
      // On a loaded machine the first decision may take longer than the usual deadline.
      deadline: '10000',
      policy: ['pair,use=wan1+wan2:tier=2'],
      rule: ['pair,proto=tcp,dport=7001', 'wan3,proto=tcp,dport=7002', 'direct,proto=tcp,dport=7003'],
    };
    machine.sh('sysctl -qw net.netfilter.nf_conntrack_acct=1 net.netfilter.nf_conntrack_timestamp=1');
    done(machine, 'up', config);
    const daemon = await startDaemon(machine, config);
    try {
      for (const family of [4, 6] as const) {
        for (const src of CLIENTS[family].slice(0, 2)) {
          for (const dport of [7000, 7001, 7002, 7003]) {
            const probe: Probe = {
              ...{ family, proto: 'tcp', src, dst: SERVERS[family][0], dport, in: 'lan0', mark: 0 },
            };
            const sport = machine.nextPort;
            const before = explained(probe, sport);
            assert.deepEqual(before.connections, []);
            assert.equal(before.ways.length, 1, JSON.stringify(before));
            assert.equal(before.decides, dport === 7003 ? 'nobody' : 'daemon');
            assert.equal(await send(probe, 5000), visible(before, probe)[0], JSON.stringify(before));
            const [now] = explained(probe, sport).connections;
            assert.equal(now.wan, before.ways[0].wan);
            assert.ok(now.bytes.back > 0 && Date.now() - Date.parse(now.since) < 60_000, JSON.stringify(now));
          }
        }
      }
      const text = machine.command(['explain', CLIENTS[4][0], `${SERVERS[4][0]}:7002`]).stdout;
      assert.match(
        text,
        /^now +10\.9\.0\.2:\d+ to 203\.0\.113\.1:7002 by wan3, \w+, for \d+ s, \d+ B there/m,
      );
      assert.match(text, /^rule +2: wan3,proto=tcp,dport=7002$/m);
      assert.match(text, /^goes +by wan3, w3 via 192\.0\.3\.1, masqueraded/m);
    } finally {
      await daemon.stop('SIGTERM');
    }
  });

  test('refuses what is no packet with one line, and changes nothing', () => {
    const before = machine.snapshot();
    const refused: [args: string[], said: RegExp][] = [
      [['10.9.0.2', 'example.org'], /DST "example.org" is not an address/],
      [['10.9.0.2', '2001:db8::1'], /SRC is IPv4 and DST is IPv6/],
      [['10.9.0.2', '203.0.113.1:443', '--proto', 'icmp'], /port 443 needs a protocol that has ports/],
      [['10.9.0.2', '203.0.113.1:99999'], /must be 1 to 65535/],
      [['10.9.0.2', '203.0.113.1', '--in', 'nope'], /there is no device nope/],
      [['10.9.0.2', '203.0.113.1', '--own'], /not an address of this router/],
      [['router', '203.0.113.1', '--in', 'lan0'], /come in by no device/],
    ];
    for (const [args, said] of refused) {
      const { status, stdout, stderr } = machine.command(['explain', ...args]);
      assert.deepEqual([status, stdout], [2, ''], stderr);
      assert.match(stderr, said);
      assert.equal(stderr.trim().split('\n').length, 1, stderr);
    }
    machine.command(['explain', '10.9.0.2', '203.0.113.1:443']);
    assert.equal(machine.snapshot(), before);
    assert.equal(machine.wanmark('down').status, 0);
    const { status, stderr } = machine.command(['explain', '10.9.0.2', '203.0.113.1']);
    assert.equal(status, 1);
    assert.match(stderr, /is not up/);
  });
});
