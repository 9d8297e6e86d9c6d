import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { assertRefused } from './refused.js';

const A = 'a,dev=eth1,via=192.0.2.1';
const B = 'b,dev=eth2,via=198.51.100.1';

describe('parseConfig', () => {
  it('reads the last resort, and gateways to follow', () => {
    const config = parseConfig({ wan: ['a,dev=eth1,via=auto,via6=auto'], 'last-resort': 'blackhole' });
    assert.equal(config.rules.lastResort, 'blackhole');
    assert.deepEqual([config.wans[0]!.via, config.wans[0]!.via6], ['auto', 'auto']);
    assert.equal(parseConfig({ wan: [A] }).rules.lastResort, 'main');
    // With main, every mark can be a WAN's.
    assert.equal(parseConfig({ wan: [A, B, 'c,dev=c'], mask: '0x3' }).wans[2]!.mark, 3);
  });

  it('fills in the defaults', () => {
    const config = parseConfig({ wan: [A, 'p,dev=ppp0', 'six,dev=eth3,via6=fe80::1'] });
    assert.deepEqual(config.wans[0], {
      name: 'a',
      dev: 'eth1',
      via: '192.0.2.1',
      via6: undefined,
      weight: 1,
      tier: 1,
      mark: 1,
      nat: 'masquerade',
      nat6: 'masquerade',
    });
    assert.equal(config.wans[1]!.via, 'dev', 'a WAN without a gateway is point-to-point');
    assert.equal(config.wans[2]!.via, undefined, 'only IPv6');
    const { marks, fields, queues, rules, strategy, log } = config;
    assert.deepEqual([marks, fields.wans.mask, fields.backends.mask], [[], 0x3f000000, 0xff00]);
    assert.deepEqual(queues, { num: 0, count: 1, services: 0, length: 8192, deadlineMs: 50 });
    assert.deepEqual(rules, {
      ...{ engine: 'nfqueue', kernelMode: 'random', per: 'connection' },
      ...{
        lastResort: 'main',
        lan: [],
        own: true,
        respectMarks: true,
        exclude: [],
        table: 1000,
        priority: 20_000,
      },
      ...{ logKernel: false, forwardAccept: false, firewall: 'iptables' },
    });
    assert.deepEqual(strategy, {
      name: 'weighted',
      established: false,
      countsFile: undefined,
      pairFamilies: false,
    });
    assert.deepEqual(log, { mark: false, packet: false });
    for (const [name, group] of Object.entries({ config, wan: config.wans[0], ...config })) {
      if (!Array.isArray(group)) assert.ok(Object.isFrozen(group), name);
    }
  });

  it('takes a file’s maps, numbers and switches as it takes flags', () => {
    const fromFile = parseConfig({
      wan: [{ name: 'a', dev: 'eth1', via: '192.0.2.1', weight: 5, nat: 'none' }],
      mask: 0xff00,
      'queue-num': 3,
      'log-packet': true,
      lan: 'br0',
    });
    const fromFlags = parseConfig({
      wan: [`${A},weight=5,nat=none`],
      mask: '0xff00',
      'queue-num': '3',
      'log-packet': true,
      lan: ['br0'],
    });
    assert.deepEqual(fromFile, fromFlags);
    assert.equal(fromFile.log.mark, true, 'a packet comes with its line');
    assert.equal(fromFile.wans[0]!.nat6, 'none');
  });

  it('makes bare marks', () => {
    const config = parseConfig({ 'high-mark': '3', weights: '5,3,0' });
    assert.deepEqual(
      config.marks.map(({ name, mark, weight }) => [name, mark, weight]),
      [
        ['mark1', 1, 5],
        ['mark2', 2, 3],
        ['mark3', 3, 0],
      ],
    );
    assert.deepEqual([config.wans, config.targets], [[], config.marks], 'bare marks are not uplinks');
  });

  const mistakes: [string, Record<string, unknown>, RegExp][] = [
    ['no WAN', {}, /no WAN given; add --wan/],
    ['duplicate name', { wan: [A, 'a,dev=eth2'] }, /two WANs are named "a"/],
    ['duplicate mark', { wan: [`${A},mark=2`, `${B},mark=2`] }, /"a" and "b" both have mark 2/],
    ['a mark twice', { wan: [`${A},mark=2`, `${B},mark=2`] }, /both have mark 2/],
    ['same device and gateway', { wan: [A, 'b,dev=eth1,via=192.0.2.1'] }, /same device and gateway/],
    [
      'mark outside the mask',
      { wan: [`${A},mark=4`], mask: '0x3' },
      /mark 4 is outside the mask, which holds 1..3/,
    ],
    ['mark 0', { wan: [`${A},mark=0`] }, /mark "0" must be a whole number, 1 or more/],
    ['mask 0', { wan: [A], mask: '0' }, /mask 0 holds no mark/],
    ['mask with holes', { wan: [A], mask: '0xf0f' }, /mask 0xf0f has holes/],
    ['mask that is not a number', { wan: [A], mask: 'ff' }, /mask "ff" is not a 32-bit number/],
    ['mask too wide', { wan: [A], mask: '0x1ffffffff' }, /not a 32-bit number/],
    [
      'more WANs than the mask holds',
      { wan: [A, B], mask: '0x1' },
      /2 WANs do not fit the mask, which holds 1/,
    ],
    ['negative weight', { wan: [`${A},weight=-1`] }, /weight "-1" must be a whole number, 0 to 65535/],
    ['weight that is not a number', { wan: [`${A},weight=x`] }, /weight "x" must be/],
    ['weight with a fraction', { wan: [`${A},weight=1.5`] }, /weight "1.5" must be/],
    ['all weights 0', { wan: [`${A},weight=0`, `${B},weight=0`] }, /every WAN has weight 0/],
    ['unknown key', { wan: [`${A},wieght=2`] }, /unknown key "wieght"; did you mean "weight"\?/],
    ['key twice', { wan: [`${A},dev=eth2`] }, /dev is given twice/],
    ['no key=value', { wan: ['a,eth1'] }, /"eth1" is not key=value/],
    ['no device', { wan: ['a,via=192.0.2.1'] }, /has no device; add dev=/],
    ['bad device name', { wan: ['a,dev=eth/1'] }, /is not a device name/],
    ['bad name', { wan: ['a b,dev=eth1'] }, /WAN name "a b"/],
    [
      'auto on a shared device',
      { wan: ['a,dev=eth1,via=auto', 'b,dev=eth1,via=192.0.2.1'] },
      /"a" and "b" have IPv4 by the same device, which via=auto needs for itself/,
    ],
    ['last resort of another kind', { wan: [A], 'last-resort': 'drop' }, /unknown last-resort "drop"/],
    [
      'more WANs than the last resort leaves marks',
      { wan: [A, B, 'c,dev=c'], mask: '0x3', 'last-resort': 'unreachable' },
      /3 WANs do not fit the mask, which holds 2 besides that of the last resort; use a wider --mask/,
    ],
    [
      'a WAN with the mark of the last resort',
      { wan: [A, B, 'c,dev=c,mark=15'], mask: '0xf', 'last-resort': 'unreachable' },
      /"c" has mark 15, which --last-resort unreachable needs for itself; use a wider --mask/,
    ],
    ['IPv6 gateway as via', { wan: ['a,dev=eth1,via=fe80::1'] }, /via "fe80::1" is not an IPv4 address/],
    [
      'IPv4 gateway as via6',
      { wan: ['a,dev=eth1,via6=192.0.2.1'] },
      /via6 "192.0.2.1" is not an IPv6 address/,
    ],
    ['bad nat', { wan: [`${A},nat=maybe`] }, /nat "maybe" must be masquerade/],
    ['nat prefix too long', { wan: [`${A},nat=10.0.0.0/33`] }, /nat "10.0.0.0\/33"/],
    ['queue number too large', { wan: [A], 'queue-num': '65536' }, /queue-num "65536" must be/],
    ['no queues', { wan: [A], queues: '0' }, /queues "0" must be a whole number, 1 to 16/],
    ['too many queues', { wan: [A], queues: '17' }, /queues "17" must be/],
    [
      'queues beyond the last number',
      { wan: [A], 'queue-num': '65534', queues: '3' },
      /queues 3 from queue-num 65534 on end beyond 65535/,
    ],
    ['queue number twice', { wan: [A], 'queue-num': ['1', '2'] }, /queue-num is given 2 times/],
    ['deadline 0', { wan: [A], deadline: '0' }, /deadline "0" must be/],
    ['queue-length 0', { wan: [A], 'queue-length': '0' }, /queue-length "0" must be/],
    ['queue-length 65537', { wan: [A], 'queue-length': '65537' }, /queue-length "65537" must be/],
    ['no-repair with a value', { wan: [A], 'no-repair': 'yes' }, /no-repair must be true or false/],
    ['count of another kind', { wan: [A], count: 'all' }, /count "all" must be live or established/],
    [
      'socket path too long',
      { wan: [A], socket: `/${'x'.repeat(107)}` },
      /socket path .* must have 1 to 107 bytes/,
    ],
    ['engine of another kind', { wan: [A], engine: 'none' }, /unknown engine "none"/],
    ['a hash of no field', { wan: [A], 'kernel-mode': 'hash:' }, /kernel-mode "hash:": "" is not a field/],
    [
      'a hash of an unknown field',
      { wan: [A], 'kernel-mode': 'hash:source' },
      /^kernel-mode "hash:source": "source" is not a field of a packet; did you mean "src"\?/,
    ],
    [
      'a field twice',
      { wan: [A], 'kernel-mode': 'hash:src,src' },
      /^kernel-mode "hash:src,src" has src twice/,
    ],
    [
      'packets that a hash keeps together',
      { wan: [A], engine: 'kernel', 'kernel-mode': 'hash:src', per: 'packet' },
      /^--per packet spreads the packets that a hash keeps together$/,
    ],
    ['kernel mode misspelled', { wan: [A], 'kernel-mode': 'rand' }, /did you mean "random"\?/],
    [
      'packets with a daemon',
      { wan: [A], per: 'packet' },
      /--per packet needs --engine kernel; a daemon decides for connections/,
    ],
    ['LAN that is a WAN', { wan: [A], lan: ['eth1'] }, /eth1 cannot be both/],
    ['bad network', { wan: [A], exclude: ['10.0.0.0/40'] }, /exclude "10.0.0.0\/40" is not a network/],
    [
      'unknown key in a file',
      { wan: [A], stratgy: 'rr' },
      /unknown option "stratgy"; did you mean "strategy"\?/,
    ],
    ['switch that is text', { wan: [A], 'log-mark': 'yes' }, /log-mark must be true or false/],
    ['WAN that is a number', { wan: [7] }, /a WAN must be/],
    ['high-mark and WANs', { wan: [A], 'high-mark': '3' }, /leave --wan out/],
    [
      'high-mark outside the mask',
      { 'high-mark': '256' },
      /high-mark 256 is outside the mask, which holds 1..255/,
    ],
    ['high-mark 0', { 'high-mark': '0' }, /high-mark "0" must be/],
    ['weights of another number', { 'high-mark': '3', weights: '1,2' }, /2 values for 3 marks/],
    ['weights all 0', { 'high-mark': '2', weights: '0,0' }, /all weights are 0/],
    ['weights without high-mark', { wan: [A], weights: '1' }, /--weights goes with --high-mark/],
  ];
  for (const [name, raw, complaint] of mistakes) {
    it(`refuses ${name} in one line`, () => {
      assertRefused(() => parseConfig(raw), complaint);
    });
  }
});
