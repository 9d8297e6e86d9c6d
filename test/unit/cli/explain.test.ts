import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { matchingConnections } from '#wanmark/cli/explain-connections.js';
import { type PacketArguments, parsePacket } from '#wanmark/cli/explain-packet.js';
import { explanationText, type WholeExplanation } from '#wanmark/cli/explain-text.js';
import { parseConfig } from '#wanmark/config/config.js';
import { UsageError } from '#wanmark/errors.js';

const NOTHING = {
  proto: undefined,
  in: undefined,
  own: undefined,
  mac: undefined,
  mark: undefined,
  uid: undefined,
  dscp: undefined,
};
const parse = (src: string, dst: string, more: Partial<PacketArguments> = {}) =>
  parsePacket({ ...NOTHING, src, dst, ...more });

describe('the packet of a command line', () => {
  it('has addresses with or without ports, a protocol, and what else is given', () => {
    const { family, proto, src, sport, dst, dport, mark, own } = parse('192.0.2.1:5000', '192.0.2.9:443', {
      mark: '0x10',
    });
    assert.deepEqual(
      [family, proto, src, sport, dst, dport, mark, own],
      [4, 6, '192.0.2.1', 5000, '192.0.2.9', 443, 16, false],
    );
    const six = parse('2001:DB8:0::1', '[2001:db8::2]:53', { proto: 'udp', mac: '02:00:00:00:00:AB' });
    assert.deepEqual(
      [six.family, six.proto, six.src, six.dport, six.mac],
      [6, 17, '2001:db8::1', 53, '02:00:00:00:00:ab'],
    );
    assert.deepEqual(parse('router', '192.0.2.9').own, true);
    assert.deepEqual(parse('router:53', '192.0.2.9').sport, 53);
    assert.deepEqual(parse('192.0.2.1', '192.0.2.9', { uid: '1000' }).own, true);
  });

  const wrong: [args: Parameters<typeof parse>, said: RegExp][] = [
    [['192.0.2.1', 'example.org'], /DST "example.org" is not an address/],
    [['192.0.2.300', '192.0.2.1'], /SRC "192.0.2.300" is not an address.*or router/],
    [['192.0.2.1', '2001:db8::1'], /SRC is IPv4 and DST is IPv6/],
    [['192.0.2.1', '192.0.2.2:0'], /must be 1 to 65535/],
    [['router:0', '192.0.2.2'], /SRC "router:0": port "0" must be 1 to 65535/],
    [['192.0.2.1', '192.0.2.2:http'], /must be 1 to 65535/],
    [['192.0.2.1', '192.0.2.2', { proto: 'tpc' }], /unknown protocol "tpc"; did you mean "tcp"/],
    [['192.0.2.1', '192.0.2.2:1', { proto: 'gre' }], /port 1 needs a protocol that has ports/],
    [['192.0.2.1', '192.0.2.2', { proto: 'icmpv6' }], /not of IPv4; use --proto icmp/],
    [['router', '192.0.2.2', { in: 'lan0' }], /leave --in or --own out/],
    [['router', '192.0.2.2', { mac: '02:00:00:00:00:01' }], /leave --mac or --own out/],
    [['192.0.2.1', '192.0.2.2', { mac: '02:00' }], /must be a MAC address/],
    [['192.0.2.1', '192.0.2.2', { mark: '0x1ffffffff' }], /--mark "0x1ffffffff" must be a number/],
    [['192.0.2.1', '192.0.2.2', { dscp: '64' }], /from 0 to 63/],
  ];
  for (const [args, said] of wrong) {
    it(`refuses ${JSON.stringify(args)}`, () =>
      assert.throws(
        () => parse(...args),
        (error) => error instanceof UsageError && said.test(error.message) && !error.message.includes('\n'),
      ));
  }
});

const WAY = {
  fate: 'leaves',
  mark: '0x1000000',
  table: '1001',
  dev: 'eth1',
  via: '192.0.2.1',
  nat: 'masquerade',
} as const;
const WHOLE: WholeExplanation = {
  packet: {
    family: 4,
    proto: 'tcp',
    src: '192.168.9.50',
    sport: null,
    dst: '203.0.113.9',
    dport: 443,
    in: 'lan0',
  },
  up: true,
  daemon: true,
  connections: [],
  left: null,
  rule: { number: 3, text: 'web,proto=tcp,dport=443' },
  policies: [
    {
      name: 'web',
      members: [
        { wan: 'fibre', weight: 3, tier: 1, share: 0.75, why: null },
        { wan: 'dsl', weight: 1, tier: 1, share: 0.25, why: null },
        { wan: 'lte', weight: 1, tier: 1, share: 0, why: 'down: ping failed' },
      ],
      none: 'main',
    },
  ],
  decides: 'daemon',
  strategy: { name: 'least-connections', wan: null },
  keeps: null,
  ways: [
    {
      ...WAY,
      wan: 'fibre',
      share: 0.75,
      rule: { priority: 20_001, text: 'fwmark 0x1/0xff lookup 1001', ours: true },
    },
    {
      ...WAY,
      wan: 'dsl',
      share: 0.25,
      dev: 'ppp0',
      via: null,
      nat: null,
      rule: { priority: 100, text: 'from all lookup 7', ours: false },
    },
  ],
  withoutDaemon: [{ ...WAY, wan: 'fibre', share: 1, rule: null }],
  unsure: ['rule 1 (voice,dscp=ef) was passed by, but asks for its DSCP'],
};

describe('an explanation for people', () => {
  it('has a line for each step', () => {
    assert.equal(
      explanationText(WHOLE),
      `tcp 192.168.9.50 to 203.0.113.9:443, by lan0
now         there is no such connection; a new one:
rule        3: web,proto=tcp,dport=443
policy      web: fibre 75 %, dsl 25 %
out         lte: down: ping failed
chooses     the daemon, by least-connections; the shares are those of the weights, the moment decides
goes        75 % by fibre, eth1 via 192.0.2.1, masqueraded  (mark 0x1000000, ip rule 20001: fwmark 0x1/0xff lookup 1001)
goes        25 % by dsl, ppp0  (mark 0x1000000, ip rule 100: from all lookup 7, not ours)
no daemon   by fibre, eth1 via 192.0.2.1, masqueraded, by the kernel
unsure      rule 1 (voice,dscp=ef) was passed by, but asks for its DSCP
`,
    );
  });

  it('begins with the connection that there is, as far as the kernel knows it', () => {
    const one = {
      proto: 'tcp',
      src: '192.168.9.50',
      sport: 51_812,
      dst: '203.0.113.9',
      dport: 443,
      wan: 'dsl',
      state: 'ESTABLISHED',
    };
    const since = new Date(Date.now() - 7_440_500).toISOString();
    const connections = [
      { ...one, since, bytes: { out: 1_234_567, back: 999 } },
      ...Array.from({ length: 5 }, () => ({ ...one, wan: null, since: null, bytes: null })),
    ];
    const lines = explanationText({ ...WHOLE, connections }).split('\n');
    const tuple = '192.168.9.50:51812 to 203.0.113.9:443';
    assert.equal(
      lines[1],
      `now         ${tuple} by dsl, ESTABLISHED, for 2 h 4 min, 1.23 MB there and 999 B back`,
    );
    assert.equal(lines[2], `now         ${tuple} by no WAN, ESTABLISHED`);
    assert.equal(lines[5], 'now         and 2 more like these');
    assert.equal(lines[6], 'a new one:');
  });

  /** The lines that begin with a word, of what is said where something differs. */
  const said = (word: string, more: Partial<WholeExplanation>) =>
    explanationText({ ...WHOLE, ...more })
      .split('\n')
      .filter((line) => line.startsWith(word))
      .map((line) => line.slice(word.length).trim());

  it('says that the rules are not up, and why nobody chooses', () => {
    assert.match(said('note', { up: false })[0]!, /the rules are not up/);
    assert.deepEqual(said('note', {}), []);
    const left = {
      left: '10.1.2.3 is this router itself',
      decides: 'nobody',
      policies: [],
      rule: null,
    } as const;
    assert.deepEqual(said('left alone', left), ['10.1.2.3 is this router itself']);
    assert.deepEqual([said('rule', left), said('chooses', left), said('no daemon', left)], [[], [], []]);
    assert.deepEqual(said('rule', { rule: null }), ['none is for it, so policy default holds']);
  });

  it('says who chooses, and whether the answer is fixed', () => {
    const strategy = { name: 'source-hash', wan: 'dsl' };
    assert.deepEqual(said('chooses', { strategy }), ['the daemon, by source-hash: dsl, always']);
    const kept = { keeps: 'dsl', ways: WHOLE.ways.slice(1) };
    assert.deepEqual(said('keeps', kept), ['dsl, which the client has (sticky)']);
    assert.deepEqual(said('chooses', kept), ['the daemon, by least-connections']);
    const kernel = { decides: 'kernel', strategy: null } as const;
    assert.deepEqual(said('chooses', kernel), ['the kernel, by its rules']);
    assert.deepEqual(said('chooses', { ...kernel, daemon: false }), [
      'the kernel, by its rules; no daemon answers',
    ]);
    assert.deepEqual(said('no daemon', kernel), []);
  });

  it('says where it comes to an end', () => {
    const ends = (['local', 'none', 'blackhole'] as const).map((fate) => ({
      ...{ ...WAY, fate, wan: null, share: 1, rule: null, dev: null, via: null, nat: null },
    }));
    const bySource = { ...WAY, wan: null, share: 1, rule: null, nat: '192.0.2.77' };
    assert.deepEqual(said('goes', { ways: [...ends, bySource] }), [
      'to this router itself',
      'nowhere: there is no route',
      'nowhere: blackhole',
      'by eth1 via 192.0.2.1, as 192.0.2.77',
    ]);
    const policies = [{ ...WHOLE.policies[0]!, members: [] }];
    assert.deepEqual(said('policy', { policies }), ['web: no WAN can take it, so main']);
  });
});

describe('the connections of a packet', () => {
  const config = parseConfig({ wan: ['fibre,dev=eth1,via=192.0.2.1', 'dsl,dev=eth2,via=198.51.100.1'] });
  const one = {
    ...{
      src: '10.0.0.2',
      dst: '203.0.113.9',
      proto: 6,
      sport: 5000,
      dport: 443,
      mark: config.fields.wans.encode(2),
    },
    ...{ tcpState: 'ESTABLISHED', isAnswered: true, since: undefined, bytes: undefined },
  };
  const matching = (
    all: readonly object[],
    packet: { sport?: number; dport?: number; proto?: number } = {},
  ) =>
    matchingConnections(
      all.map((more) => ({ ...one, ...more })),
      { proto: 6, sport: undefined, dport: undefined, ...packet },
      config,
    );

  it('are those of its protocol and of the ports that are given, the newest first', () => {
    const all = [
      { sport: 1 },
      { sport: 2, since: 7000 },
      { sport: 3, since: 9000 },
      { proto: 17 },
      { dport: 80 },
    ];
    const ports = (...packet: [{ sport?: number; dport?: number; proto?: number }?]) =>
      matching(all, ...packet).map(({ sport, dport }) => `${sport} ${dport}`);
    assert.deepEqual(ports(), ['3 443', '2 443', '1 443', '5000 80']);
    assert.deepEqual(ports({ dport: 443 }), ['3 443', '2 443', '1 443']);
    assert.deepEqual(ports({ sport: 2 }), ['2 443']);
    assert.deepEqual(ports({ proto: 17 }), ['5000 443']);
  });

  it('have the WAN of their mark, a state, and what the kernel counts', () => {
    const [counted, plain, other] = matching([
      { since: Date.UTC(2026, 0, 5), bytes: { out: 1, back: 2 } },
      { tcpState: undefined, isAnswered: false, mark: 0x77 },
      { tcpState: undefined, mark: config.fields.wans.encode(1) | 0x77 },
    ]);
    assert.deepEqual(
      [counted!.proto, counted!.wan, counted!.state, counted!.since, counted!.bytes],
      ['tcp', 'dsl', 'ESTABLISHED', '2026-01-05T00:00:00.000Z', { out: 1, back: 2 }],
    );
    assert.deepEqual(
      [plain!.wan, plain!.state, plain!.since, plain!.bytes],
      [null, 'unanswered', null, null],
    );
    assert.deepEqual([other!.wan, other!.state], ['fibre', 'answered']);
  });
});
