/**
 * What `explain` says, and where packets go. WANMARK_EXPLAIN_CONFIGS=N random configurations (3), each with
 * WANMARK_EXPLAIN_PACKETS=N packets (15); WANMARK_EXPLAIN_SEED=N (1) draws others, or repeats what failed.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { RawConfig } from '#wanmark/config/options.js';
import { seeded } from '../helpers/random.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import {
  CLIENTS,
  Draw,
  PORTS,
  type Probe,
  ROUTER,
  randomConfig,
  randomProbe,
  randomStates,
  SERVERS,
} from './explain-machine.js';
import { Machine, PATIENT_MS, type Peer, WANMARK, wans } from './rules-harness.js';

const CONFIGS = Number(process.env.WANMARK_EXPLAIN_CONFIGS ?? 3);
const PACKETS = Number(process.env.WANMARK_EXPLAIN_PACKETS ?? 15);
const SEED = Number(process.env.WANMARK_EXPLAIN_SEED ?? 1);

/** How long to wait for an answer that must not come. */
const SILENCE_MS = 300;

describe('explain', needs(nfqueue, addon), () => {
  let machine: Machine;
  let mac: string;

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
    machine.addLinkLocal();
    machine.sh(`
      for address in ${CLIENTS[4].slice(1).join(' ')}; do ip -n client addr add $address/24 dev eth0; done
      for address in ${CLIENTS[6].slice(1).join(' ')}; do ip -n client addr add $address/64 dev eth0; done
      for address in ${SERVERS[4].slice(1).join(' ')} ${SERVERS[6].slice(1).join(' ')}; do
        ip -n inet addr add $address dev lo
      done
      ip -n inet route add 10.9.0.0/24 via 192.0.1.2; ip -n inet route add fd09::/64 via 2001:db8:1::2
      ip route add 198.51.100.0/24 via 192.0.2.1; ip route add 2001:db8:fd::/48 via 2001:db8:2::1`);
    mac = machine.sh('ip -n client -o link show eth0').match(/link\/ether (\S+)/)![1]!;
    const places = [
      ['inet', [...SERVERS[4], ...SERVERS[6]]],
      [undefined, Object.values(ROUTER)],
    ] as const;
    const serving = places.flatMap(([netns, addresses]) =>
      PORTS.map((port) => machine.peer(['serve', String(port), ...addresses], netns)),
    );
    for (const peer of await Promise.all(serving)) assert.equal(await peer.line(), 'ready');
  });
  after(() => machine.stop());

  const up = (config: RawConfig) => {
    const result = machine.wanmark('up', config);
    assert.equal(result.status, 0, `${result.stderr} ${JSON.stringify(config)}`);
  };

  /** What `explain` says of a packet whose source port is this one. */
  const explained = ({ family, proto, src, dst, dport }: Probe, sport: number) => {
    const [from, to] = [src ?? 'router', dst].map((one) =>
      family === 6 && one.includes(':') ? `[${one}]` : one,
    );
    const source = src === undefined ? [`router:${sport}`, '--uid', '0'] : [`${from}:${sport}`];
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
    answer: { ways: { fate: string; dev: string; nat: string | null }[] },
    { family, src }: Probe,
  ) =>
    answer.ways.map(({ fate, dev, nat }) => {
      if (fate !== 'leaves' && fate !== 'local') return 'failed';
      const k = dev?.replace('w', '');
      if (nat === 'masquerade' || src === undefined)
        return family === 4 ? `192.0.${k}.2` : `2001:db8:${k}::2`;
      return src;
    });

  const send = async ({ proto, src, dst, dport }: Probe, patienceMs: number) => {
    const args = [proto, '1', dst, String(dport), ...(src === undefined ? [] : [src])];
    const [line = 'failed: nothing'] = await machine.call(
      args,
      src === undefined ? undefined : 'client',
      patienceMs,
    );
    return line.startsWith('failed') ? 'failed' : line;
  };

  const ends = (all: readonly string[]) => (all.every((one) => one === 'failed') ? SILENCE_MS : PATIENT_MS);

  test(`says where packets of random configurations go, seed ${SEED}`, async () => {
    const wrong: unknown[] = [];
    for (let i = 0; i < CONFIGS; i++) {
      const draw = new Draw(seeded(SEED + i));
      const config = randomConfig(draw, mac);
      const states = draw.isIn(3) ? undefined : randomStates(draw);
      up(config);
      if (states !== undefined) assert.equal(machine.refresh(states).status, 0);
      const compare = async () => {
        const probe = randomProbe(draw);
        const answer = explained(probe, machine.nextPort);
        const expected = visible(answer, probe);
        const seen = await send(probe, ends(expected));
        if (!expected.includes(seen))
          wrong.push({ seed: SEED + i, seen, expected, probe, config, states, answer });
      };
      await Promise.all(Array.from({ length: PACKETS }, compare));
    }
    assert.equal(wrong.length, 0, wrong.map((one) => JSON.stringify(one)).join('\n'));
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
    up(config);
    const daemon: Peer = await machine.peer(
      ['run', '--config', machine.configFile(config)],
      undefined,
      WANMARK,
    );
    try {
      for (let line = await daemon.line(); !line?.includes('"msg":"started"'); line = await daemon.line())
        assert.notEqual(line, undefined, 'the daemon has ended');
      for (const family of [4, 6] as const) {
        for (const src of CLIENTS[family].slice(0, 2)) {
          for (const dport of [7000, 7001, 7002, 7003]) {
            const probe: Probe = { family, proto: 'tcp', src, dst: SERVERS[family][0], dport };
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
