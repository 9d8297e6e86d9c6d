import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { EXAMINATIONS, examineAll } from '#wanmark/doctor/examinations.js';
import type { DoctorFacts } from '#wanmark/doctor/facts.js';
import { CONFIG, DAEMON, GOOD, RAW, SILENT, status, targets, WELL } from './facts.js';

const { settings } = WELL;
const others = WELL.others!;
const refused = { ok: false, why: 'REFUSED' };
const noBuffer = { ok: false, why: 'socket: ENOBUFS', inconclusive: true } as const;
const servers = (...results: (typeof GOOD)[]) =>
  results.map((result, i) => ({
    wan: 'dsl',
    family: 4 as const,
    server: `203.0.113.5${i}`,
    result,
  }));
const flowtable = { name: 'inet fw4 ft', devices: ['eth1', 'lan0'], isHardware: false, counts: true };
const kernelEngine = parseConfig({ ...RAW, engine: 'kernel', per: 'packet' });

/** What makes each line, and the line: `examination kind`, facts that differ from a router that is well, text and advice. */
const CASES: readonly (readonly [string, Partial<DoctorFacts>, RegExp, RegExp])[] = [
  ['rules not-up', { rules: { state: 'not up' } }, /^not up/, /wanmark up/],
  ['rules other-version', { rules: { state: 'of another version' } }, /another version's/, /wanmark up/],
  [
    'rules other-configuration',
    { rules: { state: 'seen', missing: [], differs: true } },
    /another configuration/,
    /wanmark up/,
  ],
  [
    'rules missing',
    { rules: { state: 'seen', missing: ['ip -4 rule 20002: x'], differs: false }, daemon: undefined },
    /^missing: ip -4 rule 20002: x$/,
    /wanmark refresh/,
  ],
  ['rules unseen', { rules: { state: 'unseen', why: 'no shell' } }, /no shell$/, /wanmark check/],
  ['daemon absent', { daemon: undefined }, /^none answers/, /wanmark run/],
  [
    'daemon unwritten',
    { daemon: { ...DAEMON, ahead: { writes: 1, failure: 'nftables: rule: ENOENT', lost: 0 } } },
    /^it cannot write its choices: nftables: rule: ENOENT$/,
    /wanmark up/,
  ],
  ['daemon queues', { queues: ['no rule feeds queue 3'] }, /^no rule feeds queue 3$/, /wanmark reload/],
  [
    'daemon differs',
    {
      daemon: status([
        { name: 'fibre', weight: 1, tier: 2 },
        { name: 'lte', weight: 1, tier: 1 },
      ]),
    },
    /fibre: weight 1 and not 5, fibre: tier 2 and not 1, it has no dsl, it also has lte$/,
    /wanmark reload/,
  ],
  [
    'daemon note',
    { daemon: { ...DAEMON, notes: ['the rules are not up to date; run x'] } },
    /^the rules are not up to date$/,
    /^run x$/,
  ],
  [
    'weights unused',
    { config: parseConfig({ ...RAW, strategy: 'round-robin' }) },
    /^strategy round-robin ignores weights, and fibre has weight 5$/,
    /^use weighted$/,
  ],
  [
    'forwarding off',
    { settings: { ...settings, forwards: { 4: false, 6: false } } },
    /^net.ipv4.ip_forward is 0/,
    /^sysctl -w net.ipv4.ip_forward=1$/,
  ],
  [
    'forwarding device',
    { settings: { ...settings, closed: ['eth2'] } },
    /eth2 is not forwarded/,
    /net.ipv4.conf.eth2.forwarding=1/,
  ],
  [
    'source-check blind',
    { settings: { ...settings, blind: ['eth2'] } },
    /rp_filter of eth2/,
    /net.ipv4.conf.eth2.src_valid_mark=1/,
  ],
  [
    'nat missing',
    { rules: { state: 'seen', missing: ['iptables nat: WANMARK_NAT'], differs: false } },
    /^missing: iptables nat: WANMARK_NAT, so/,
    /refresh/,
  ],
  [
    'nat none',
    { config: parseConfig({ ...RAW, wan: ['fibre,dev=eth1,weight=5,nat=none', 'dsl,dev=eth2'] }) },
    /^fibre has nat=none, and lan0 has the private address 10.9.0.1\/24$/,
    /leave nat=none out/,
  ],
  [
    'uplinks down',
    {
      ways: [
        { wan: 'dsl', family: 4, dev: 'eth2', up: false, reason: 'device eth2 has no carrier' },
        ...WELL.ways.slice(0, 1),
      ],
    },
    /^dsl, IPv4: device eth2 has no carrier$/,
    /ip -4 addr show dev eth2/,
  ],
  [
    'gateways silent',
    { gateways: WELL.gateways!.map((one) => ({ ...one, answer: 'silent' as const })).slice(0, 1) },
    /^fibre: 192.0.2.1 on eth1 does not answer \(ARP\)$/,
    /modem/,
  ],
  [
    'gateways unknown',
    { gateways: WELL.gateways!.map((one) => ({ ...one, answer: 'unknown' as const })).slice(0, 1) },
    /could not be asked$/,
    /ip neigh show dev eth1/,
  ],
  [
    'checks failed',
    { checks: { unchecked: [], answers: targets('dsl', SILENT, SILENT).slice(0, 1) } },
    /^dsl, IPv4: ping 203.0.113.1: timeout$/,
    /provider/,
  ],
  [
    'checks target',
    { checks: { unchecked: [], answers: targets('dsl', GOOD, SILENT) } },
    /^dsl, IPv4: ping 203.0.113.2: timeout$/,
    /another target/,
  ],
  [
    'checks unknown',
    { checks: { unchecked: [], answers: targets('dsl', GOOD, noBuffer) } },
    /ENOBUFS, which says nothing of the WAN$/,
    /this router/,
  ],
  ['checks none', { checks: { unchecked: ['dsl'], answers: [] } }, /^dsl has no check/, /--check dsl=ping/],
  ['checks not-given', { checks: undefined }, /not known/, /--config FILE/],
  ['checks not-asked', { checks: { unchecked: [], answers: undefined } }, /not asked/, /wanmark up/],
  [
    'dns silent',
    { servers: servers(SILENT, refused).slice(0, 1) },
    /^dsl, IPv4: no name server answers/,
    /name servers/,
  ],
  ['dns refused', { servers: servers(SILENT, refused) }, /^dsl, IPv4: refused/, /public/],
  ['dns server', { servers: servers(GOOD, SILENT) }, /^dsl, IPv4: 203.0.113.51: timeout$/, /resolv.conf/],
  [
    'conntrack full',
    { settings: { ...settings, conntrack: { count: 96, max: 100 } } },
    /^96 of 100 connections, 96 %; new ones are dropped/,
    /nf_conntrack_max=200$/,
  ],
  [
    'conntrack filling',
    { settings: { ...settings, conntrack: { count: 80, max: 100 } } },
    /^80 of 100 connections, 80 %$/,
    /nf_conntrack_max=200$/,
  ],
  ['conntrack unknown', { settings: { ...settings, conntrack: undefined } }, /no table/, /modprobe/],
  [
    'helpers automatic',
    { helpers: { automatic: true, loaded: ['ftp'], assigned: [] } },
    /nf_conntrack_helper is 1/,
    /nf_conntrack_helper=0/,
  ],
  [
    'helpers unassigned',
    { helpers: { automatic: false, loaded: ['ftp', 'sip'], assigned: ['ftp'] } },
    /: sip$/,
    /--helper sip$/,
  ],
  [
    'marks conflict',
    { conflicts: ['iptables mangle cali-PREROUTING (-j MARK) writes the whole packet mark; give it others'] },
    /^Calico: iptables mangle cali-PREROUTING/,
    /^give it others$/,
  ],
  [
    'ip-rules takes-all',
    {
      notes: [
        "warning: ip -4 rule 5 'from all lookup main' of somebody else takes every connection, so none is balanced; remove it",
      ],
    },
    /takes every connection/,
    /^remove it$/,
  ],
  [
    'ip-rules note',
    { notes: ["warning: ip -4 rule 9 'from all fwmark 0x80000/0xff0000 lookup 52' asks; give it others"] },
    /^Tailscale: ip -4 rule 9/,
    /^give it others$/,
  ],
  [
    'tables taken',
    { others: { ...others, taken: ["table 1001 holds another's route (default dev x); use --table N"] } },
    /^table 1001 holds another's route/,
    /--table N/,
  ],
  [
    'programs networkd',
    { others: { ...others, networkd: true } },
    /networkd/,
    /ManageForeignRoutingPolicyRules=no/,
  ],
  ['programs firewalld', { others: { ...others, firewalld: true } }, /firewalld/, /FirewallBackend=nftables/],
  ['programs mwan3', { others: { ...others, mwan3: true } }, /mwan3/, /mwan3 stop/],
  ['offload per-packet', { config: kernelEngine, flowtables: [flowtable] }, /--per packet/, /flow add/],
  ['offload hardware', { flowtables: [{ ...flowtable, isHardware: true }] }, /in hardware/, /flags offload/],
  ['offload uncounted', { flowtables: [{ ...flowtable, counts: false }] }, /does not count/, /counter/],
  [
    'kernel lacks',
    {
      lacks: [
        { what: 'xt_mac', effect: 'a', todo: 'modprobe xt_mac' },
        { what: 'ip_set_hash_ip', effect: 'b', todo: 'modprobe ip_set_hash_ip' },
      ],
    },
    /^lacks xt_mac: a; ip_set_hash_ip: b$/,
    /^modprobe xt_mac; modprobe ip_set_hash_ip$/,
  ],
  [
    'time late',
    { late: ['the queues (no answer within 4 s)'] },
    /^could not be looked at: the queues/,
    /again/,
  ],
];

const namesOf = (facts: DoctorFacts) =>
  examineAll(facts)
    .filter(({ level }) => level !== 'ok')
    .map(({ examination, kind }) => `${examination} ${kind}`);

describe('the lines of the doctor', () => {
  it('are all well on a router that is', () => {
    assert.deepEqual(namesOf(WELL), []);
    const silent = ['time'];
    assert.deepEqual(
      examineAll(WELL).map(({ examination }) => examination),
      EXAMINATIONS.map(({ name }) => name).filter((name) => !silent.includes(name)),
    );
  });

  for (const [line, facts, text, todo] of CASES) {
    it(line, () => {
      const found = examineAll({ ...WELL, ...facts }).find(
        (one) => `${one.examination} ${one.kind}` === line,
      );
      assert.ok(found, `only ${namesOf({ ...WELL, ...facts }).join(', ')}`);
      assert.match(found.text, text);
      assert.match(found.todo ?? '', todo);
    });
  }

  it('each have a case that makes them', () => {
    const all = EXAMINATIONS.flatMap(({ name, kinds }) =>
      Object.keys(kinds).map((kind) => `${name} ${kind}`),
    );
    assert.deepEqual([...new Set(CASES.map(([line]) => line))].sort(), all.sort());
  });

  it('say nothing of what nobody could look at', () => {
    const unseen: DoctorFacts = {
      ...WELL,
      notes: undefined,
      gateways: undefined,
      servers: undefined,
      conflicts: undefined,
      others: undefined,
      flowtables: undefined,
      helpers: undefined,
      nat: undefined,
      lacks: undefined,
    };
    assert.deepEqual(namesOf(unseen), []);
  });
});

it('what differs between daemon and rules is said once, although the daemon notes it, too', () => {
  const notes = [
    'the rules are those of another configuration (to this one: ~ queues 2 -> 1); wanmark reload x',
  ];
  const noted = { ...DAEMON, notes };
  assert.deepEqual(namesOf({ ...WELL, daemon: noted }), ['daemon note']);
  assert.deepEqual(namesOf({ ...WELL, daemon: noted, queues: ['no rule feeds queue 3'] }), ['daemon queues']);
  const other = { ...status([{ name: 'fibre', weight: 1, tier: 1 }]), notes };
  assert.deepEqual(namesOf({ ...WELL, daemon: other }), ['daemon differs']);
});

describe('what is no fault', () => {
  const none = (name: string, facts: Partial<DoctorFacts>) =>
    assert.deepEqual(namesOf({ ...WELL, ...facts }), [], name);

  it('a host that forwards nothing, and has no LAN', () => {
    none('host', {
      settings: { ...settings, forwards: { 4: false, 6: false } },
      nat: { ...WELL.nat!, lan: { 4: [], 6: [] } },
    });
  });

  it('forwarding for services alone, which need it as WANs do', () => {
    const config = parseConfig({ service: ['web,listen=192.0.2.9:80/tcp'], backend: ['web,to=10.9.0.2'] });
    const lines = (forwards: { 4: boolean; 6: boolean }) =>
      examineAll({ ...WELL, config, settings: { ...settings, forwards } })
        .filter(({ examination }) => examination === 'forwarding')
        .map(({ level, text }) => [level, text]);
    assert.deepEqual(lines({ 4: true, 6: false }), [['ok', 'on for IPv4']]);
    assert.deepEqual(lines({ 4: false, 6: true }), [
      ['wrong', 'net.ipv4.ip_forward is 0, so nothing is forwarded'],
    ]);
  });

  it('no daemon with engine kernel', () => {
    none('kernel', { config: parseConfig({ ...RAW, engine: 'kernel' }), daemon: undefined });
  });

  it('a weight that was set, and a note that is said already', () => {
    const note = "warning: ip -4 rule 9 'x' of somebody else; y";
    const set = status(
      [
        { name: 'fibre', weight: 0, configuredWeight: 5, tier: 1 },
        { name: 'dsl', weight: 1, tier: 1 },
      ],
      { notes: [note] },
    );
    assert.deepEqual(namesOf({ ...WELL, daemon: set, notes: [note] }), ['ip-rules note']);
  });

  it('nat=none where the LAN has addresses of the Internet, or somebody else translates', () => {
    const config = parseConfig({ ...RAW, wan: ['fibre,dev=eth1,weight=5,nat=none', 'dsl,dev=eth2'] });
    const lan = WELL.nat!.lan;
    none('public', {
      config,
      nat: { lan: { 4: [{ dev: 'lan0', address: '198.51.100.9/24' }], 6: [] }, translators: [] },
    });
    const by = (source: string | undefined, out: string | undefined) => ({
      config,
      nat: { lan, translators: [{ family: 4 as const, source, out }] },
    });
    none('any', by(undefined, undefined));
    none('its own', by('10.9.0.0/24', 'eth1'));
    assert.deepEqual(namesOf({ ...WELL, ...by('172.17.0.0/16', undefined) }), ['nat none']);
    assert.deepEqual(namesOf({ ...WELL, ...by(undefined, 'eth2') }), ['nat none']);
  });

  it('a flowtable of other devices, and any number of connections without a limit', () => {
    none('flowtable', { flowtables: [{ ...flowtable, devices: ['br0'], counts: false }] });
    none('conntrack', { settings: { ...settings, conntrack: { count: 1e6, max: 0 } } });
  });

  it('an ip rule of somebody else that is followed', () => {
    none('followed', { notes: ["IPv4: ip rules of others hold before ours: 5270 'lookup 52'"] });
  });

  it('source checks and conntrack before the first up, which sees to them', () => {
    const before = {
      rules: { state: 'not up' as const },
      settings: { ...settings, blind: ['eth1'], conntrack: undefined },
    };
    assert.deepEqual(namesOf({ ...WELL, ...before }), ['rules not-up']);
  });
});

describe('a check', () => {
  const kinds = (quorum: number, ...results: (typeof GOOD)[]) => {
    const answers = targets('dsl', ...results).map((one) => ({
      ...one,
      check: { kind: 'ping' as const, quorum },
    }));
    return namesOf({ ...WELL, checks: { unchecked: [], answers } });
  };

  it('fails only where fewer answer than it needs', () => {
    assert.deepEqual(kinds(1, GOOD, SILENT), ['checks target']);
    assert.deepEqual(kinds(2, GOOD, SILENT), ['checks failed']);
    assert.deepEqual(kinds(1, SILENT, SILENT), ['checks failed', 'checks failed']);
  });

  it('does not fail where the rest is not known', () => {
    assert.deepEqual(kinds(1, SILENT, noBuffer), ['checks target', 'checks unknown']);
  });
});

it('the many lines of one kind are few', () => {
  const missing = Array.from({ length: 40 }, (_, i) => `ip -4 rule ${i}`);
  const found = examineAll({ ...WELL, rules: { state: 'seen', missing, differs: false } }).filter(
    ({ kind }) => kind === 'missing',
  );
  assert.equal(found.length, 5);
  assert.match(found[4]!.text, /and 35 more like it$/);
  assert.equal(CONFIG.wans.length, 2);
});
