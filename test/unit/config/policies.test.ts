import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { ruleFlags } from '#wanmark/config/flags.js';
import { NO_NUMBERS } from '#wanmark/config/numbers.js';
import type { RawConfig } from '#wanmark/config/options.js';
import { lowestPolicyNumber } from '#wanmark/config/policies.js';
import { unusedSettings } from '#wanmark/config/unused.js';
import { assertRefused } from './refused.js';

const WANS = ['fibre,dev=eth1,via=192.0.2.1', 'dsl,dev=eth2,via=198.51.100.1', 'lte,dev=ppp0'];
const policies = (raw: RawConfig, numbers = NO_NUMBERS) =>
  parseConfig({ wan: WANS, ...raw }, numbers).policies;
const refuses = (raw: RawConfig, complaint: RegExp) => assertRefused(() => policies(raw), complaint);
const rule = (text: string) => policies({ rule: [text] }).rules[0]!;
const refusesRule = (text: unknown, complaint: RegExp) => refuses({ rule: [text] }, complaint);

describe('policies', () => {
  it('have members with weights and tiers of their own, and an end', () => {
    const { used } = policies({
      policy: [
        'voice,use=dsl+lte:tier=2,none=unreachable',
        'web,use=fibre:weight=5+dsl,strategy=hash:src,sport',
      ],
      rule: ['voice,from=192.168.9.50', 'web'],
    });
    assert.deepEqual(
      used.map(({ number, ...policy }) => policy),
      [
        {
          name: 'voice',
          strategy: undefined,
          members: [
            { wan: 'dsl', weight: 1, tier: 1 },
            { wan: 'lte', weight: 1, tier: 2 },
          ],
          none: 'unreachable',
          sticky: undefined,
        },
        {
          name: 'web',
          strategy: 'hash:src+sport',
          members: [
            { wan: 'fibre', weight: 5, tier: 1 },
            { wan: 'dsl', weight: 1, tier: 1 },
          ],
          none: 'main',
          sticky: undefined,
        },
        { name: 'unreachable', strategy: undefined, members: [], none: 'unreachable', sticky: undefined },
      ],
    );
    const follows = policies({ 'last-resort': 'blackhole', policy: ['p,use=dsl'], rule: ['p'] });
    assert.equal(follows.used[0]!.none, 'blackhole');
  });

  it('are the same from a file', () => {
    const file = policies({
      policy: [{ name: 'voice', use: ['dsl', { wan: 'lte', tier: 2 }], none: 'unreachable' }],
      set: [
        { name: 'office', net: ['198.51.100.0/24', '2001:db8:5::/48'] },
        { name: 'streaming', external: true },
      ],
      rule: [
        { proto: 'udp', dport: [5060, '10000-20000'], policy: 'voice' },
        { set: 'office', policy: 'dsl' },
        { time: { days: 'mon-fri', hours: '08:00-18:00' }, policy: 'direct' },
      ],
    });
    const flags = policies({
      policy: ['voice,use=dsl+lte:tier=2,none=unreachable'],
      set: ['office,net=198.51.100.0/24+2001:db8:5::/48', 'streaming,external'],
      rule: ['voice,proto=udp,dport=5060+10000-20000', 'dsl,set=office', 'direct,time=mon-fri 08:00-18:00'],
    });
    assert.deepEqual(file, flags);
  });

  it('get numbers from the top of the field down, only where a rule leads to them', () => {
    const raw = {
      policy: ['a,use=dsl,none=b', 'b,use=lte', 'idle,use=lte'],
      rule: ['a,from=10.0.0.1', 'unreachable,from=10.0.0.2', 'fibre,from=10.0.0.3', 'direct', 'default'],
    };
    const { used } = policies(raw);
    const numbered = Object.fromEntries(used.map(({ name, number }) => [name, number]));
    assert.deepEqual(numbered, { a: 61, unreachable: 60, fibre: 59, b: undefined });
    assert.equal(lowestPolicyNumber({ used }), 59);
    const kept = policies(
      { ...raw, rule: raw.rule.toReversed() },
      {
        ...NO_NUMBERS,
        policies: new Map([
          ['a', 61],
          ['fibre', 60],
        ]),
      },
    );
    assert.deepEqual(
      kept.used.map(({ name, number }) => [name, number]),
      [
        ['fibre', 60],
        ['unreachable', 59],
        ['a', 61],
        ['b', undefined],
      ],
    );
    const gone = { ...NO_NUMBERS, policies: new Map([['before', 61]]) };
    assert.equal(
      policies({ rule: ['unreachable'] }, gone).used[0]!.number,
      60,
      'another may still mean the old one',
    );
    assert.equal(
      policies(
        { mask: '0x7', wan: WANS.slice(0, 2), rule: ['unreachable'] },
        {
          ...gone,
          policies: new Map([
            ['b', 5],
            ['c', 4],
            ['d', 3],
          ]),
        },
      ).used[0]!.number,
      5,
    );
    assert.deepEqual(unusedSettings(parseConfig({ wan: WANS, ...raw })), [
      'no --rule leads to policy "idle"',
    ]);
  });

  it('must fit the mask, above every WAN', () => {
    const policy = ['a,use=dsl,none=main'];
    assert.equal(policies({ mask: '0xffffffff', rule: ['unreachable'] }).used[0]!.number, 2 ** 32 - 3);
    const rules = ['a', 'unreachable', 'blackhole'];
    assert.deepEqual(
      policies({ mask: '0x7', policy, rule: rules.slice(0, 2) }).used.map(({ number }) => number),
      [5, 4],
    );
    refuses(
      { mask: '0x7', policy, rule: rules },
      /^3 policies do not fit the mask beside WAN "lte" with mark 3, .* room for 2; use a wider --mask$/,
    );
    refuses({ wan: ['a,dev=eth1,mark=62'], rule: ['direct'] }, /^0 policies do not fit .* room for 0/);
  });

  it('refuses what cannot be meant', () => {
    refuses({ policy: ['default,use=dsl'] }, /"default" is always there/);
    refuses({ policy: ['unreachable,use=dsl'] }, /"unreachable" is always there/);
    refuses({ policy: ['dsl,use=lte'] }, /has the name of a WAN/);
    refuses({ policy: ['a,use=dsl', 'a,use=lte'] }, /two policies are named "a"/);
    refuses({ policy: ['a'] }, /policy "a" uses no WAN; add use=/);
    refuses({ policy: ['a,use=dls'] }, /uses unknown WAN "dls"; did you mean "dsl"\?/);
    refuses({ policy: ['a,use=dsl+dsl'] }, /uses dsl twice/);
    refuses({ policy: ['a,use=dsl:weight=0'] }, /weight of dsl "0" must be a whole number, 1 to/);
    refuses({ policy: ['a,use=dsl:teir=2'] }, /unknown key "teir"; did you mean "tier"/);
    refuses({ policy: ['a,use=dsl,none=b'] }, /none "b" is no policy/);
    refuses({ policy: ['a,use=dsl,none=b', 'b,use=lte,none=a'] }, /none leads in a circle, a -> b -> a/);
    refuses({ policy: ['a,use=dsl,strategy=best'] }, /policy "a": unknown strategy "best"/);
    refuses({ policy: ['a,use=dsl,stick=1'] }, /policy "a": unknown key "stick"/);
    refuses({ wan: [], 'high-mark': '3', rule: ['default'] }, /--rule is for connections by WANs/);
    refuses({ engine: 'kernel', per: 'packet', rule: ['dsl'] }, /--per packet leave it out/);
    assert.equal(policies({ policy: ['a,use=dsl,none=default', 'b,use=lte,none=fibre'] }).used.length, 0);
  });
});

describe('rules', () => {
  it('read every kind of condition', () => {
    assert.deepEqual(rule('dsl,from=192.168.1.0/24+10.0.0.5-10.0.0.9,to=!203.0.113.7,own=false').match, {
      from: {
        any: [
          { family: 4, text: '192.168.1.0/24', kind: 'network' },
          { family: 4, text: '10.0.0.5-10.0.0.9', kind: 'range' },
        ],
      },
      to: { any: [{ family: 4, text: '203.0.113.7', kind: 'network' }], not: true },
      own: false,
      family: 4,
    });
    assert.deepEqual(rule('dsl,from=0.0.0.1/0.0.0.1').match.from!.any[0], {
      family: 4,
      text: '0.0.0.1/0.0.0.1',
      kind: 'bits',
    });
    assert.equal(rule('dsl,from=192.168.1.77/255.255.255.0').match.from!.any[0]!.text, '192.168.1.0/24');
    const { proto, dport, sport } = rule(
      'dsl,proto=tcp+udp,dport=https+5060+10000-20000,sport=!1-1023',
    ).match;
    assert.deepEqual(proto, { any: [6, 17] });
    assert.deepEqual(dport!.any[0], { low: 443, high: 443 });
    assert.deepEqual(dport!.any.slice(1), [
      { low: 5060, high: 5060 },
      { low: 10_000, high: 20_000 },
    ]);
    assert.deepEqual(sport, { any: [{ low: 1, high: 1023 }], not: true });
    assert.deepEqual(rule('dsl,in=wg++eth1.5').match.in, { any: ['wg+', 'eth1.5'] });
    assert.deepEqual(rule('dsl,in=!lan0+wg++!eth1').match.in, { any: ['lan0', 'wg+', 'eth1'], not: true });
    assert.deepEqual(rule('dsl,mac=02:00:5E:10:00:01,dscp=ef+0x0a,family=6').match, {
      mac: { any: ['02:00:5e:10:00:01'] },
      dscp: { any: [46, 10] },
      family: 6,
    });
    assert.deepEqual(rule('dsl,fwmark=0x10/0xf0').match.fwmark, { any: [{ value: 0x10, mask: 0xf0 }] });
    assert.deepEqual(rule('dsl,uid=0+1000-1999').match.uid, {
      any: [
        { low: 0, high: 0 },
        { low: 1000, high: 1999 },
      ],
    });
    assert.deepEqual(rule('dsl,uid=root').match.uid, { any: [{ low: 0, high: 0 }] });
  });

  it('read times', () => {
    const time = (text: string) => rule(`dsl,time=${text}`).match.time;
    assert.deepEqual(time('fri-mon 22:00-06:00 utc'), {
      days: [0, 1, 5, 6],
      from: 1320,
      to: 360,
      zone: 'utc',
    });
    assert.deepEqual(time('08:30-24:00'), {
      days: [0, 1, 2, 3, 4, 5, 6],
      from: 510,
      to: 1440,
      zone: 'local',
    });
    assert.deepEqual(time('sat+sun Europe/Berlin'), {
      days: [0, 6],
      from: 0,
      to: 1440,
      zone: 'Europe/Berlin',
    });
    for (const wrong of ['someday', '8-18', '08:00-08:00', '25:00-26:00', 'mon 08:00-09:00 Mars/Base', 'utc'])
      refusesRule(`dsl,time=${wrong}`, /^rule 1 \(dsl\): time/);
  });

  it('refuse what would never match, and what is not there', () => {
    refusesRule('voice,from=10.0.0.1', /rule 1: unknown policy "voice"/);
    refusesRule({ from: '10.0.0.1' }, /rule 1 has no policy/);
    refusesRule('dsl,form=10.0.0.1', /rule 1: unknown key "form"; did you mean "from"/);
    refusesRule('dsl,dport=80', /dport needs a protocol that has ports; add proto=tcp/);
    refusesRule('dsl,proto=icmp,dport=80', /dport needs a protocol that has ports/);
    refusesRule('dsl,proto=!tcp,sport=80', /sport needs a protocol that has ports/);
    refusesRule('dsl,proto=tcp,dport=70000', /"70000" must be a port/);
    refusesRule('dsl,proto=tcp,dport=90-80', /"90-80" must be a port, or LOW-HIGH/);
    refusesRule('dsl,proto=tcp,dport=no-such-service', /neither a port nor a service/);
    refusesRule('dsl,proto=tpc', /unknown protocol "tpc"; did you mean "tcp"/);
    refusesRule('dsl,from=10.0.0.1+2001:db8::1', /from has addresses of both families/);
    refusesRule('dsl,from=10.0.0.1,to=2001:db8::1', /from is IPv4 and to is IPv6, so it would never match/);
    refusesRule('dsl,from=10.0.0.1,family=6', /family is IPv6 and from is IPv4/);
    refusesRule('dsl,from=10.0.0.300', /"10.0.0.300" is not an address/);
    refusesRule('dsl,from=10.0.0.9-10.0.0.5', /from a lower address to a higher one/);
    refusesRule('dsl,from=0.0.0.2/0.0.0.1', /would never match/);
    refusesRule({ policy: 'dsl', from: ['!10.0.0.1', '10.0.0.2'] }, /"!" stands for the whole list/);
    refusesRule('dsl,fwmark=0x1000000/0xff000000', /bits of 0x3f000000, which are wanmark's/);
    refusesRule('dsl,fwmark=5', /needs the bits that it means/);
    refusesRule('dsl,set=video', /there is no set "video"; add --set/);
    refusesRule('dsl,in=eth0,own=true', /come in by no device; leave in out/);
    refusesRule('dsl,in=+', /in: "\+" is every device; use own=false/);
    refusesRule('dsl,in=!+', /"\+" is every device/);
    refusesRule('dsl,to=!10.0.0.1+0.0.0.0/0', /to leaves out everything, so it would never match/);
    refusesRule('dsl,from=!::/::', /from leaves out everything/);
    refusesRule('dsl,proto=tcp,dport=!1024-65535+0-1023', /dport leaves out everything/);
    assert.ok(rule('dsl,proto=tcp,sport=!2-65535+0').match.sport);
    refusesRule('dsl,uid=0,own=false', /uid is for the router's own/);
    refusesRule('dsl,mac=nonsense', /is not a MAC address/);
    refusesRule('dsl,dscp=64', /must be 0 to 63/);
    // The backends' bits are others' where there are no services.
    assert.ok(rule('dsl,fwmark=0x100/0xff00').match.fwmark);
  });

  it('come back as flags that say the same', () => {
    const raw = {
      wan: WANS,
      policy: [
        'voice,use=dsl+lte:tier=2,none=unreachable',
        'web,use=fibre:weight=5+dsl,strategy=hash:src,sport',
      ],
      set: [
        'office,net=198.51.100.0/24',
        'video,file=/etc/video.txt',
        'ads,external',
        'more,external=other-name',
      ],
      rule: [
        'voice,from=!192.168.9.50+192.168.9.51,proto=tcp+udp,dport=5060+10000-20000',
        'web,in=wg++eth1,set=office+video,time=mon+fri 22:00-06:00 utc,dscp=46,fwmark=0x10/0xf0',
        'voice,in=!lan0+dmz+',
        'direct,family=6,own=true,uid=0+1000-1999',
      ],
    };
    const config = parseConfig(raw);
    const flags = ruleFlags(config);
    for (const one of [...raw.policy.slice(0, 1), ...raw.set, ...raw.rule.slice(2)])
      assert.ok(flags.includes(one), flags);
    const words = [...flags.matchAll(/--(policy|set|rule) (?:'([^']*)'|(\S+))/g)];
    const again: Record<string, string[]> = { policy: [], set: [], rule: [] };
    for (const [, key = '', quoted, plain] of words) again[key]!.push(quoted ?? plain!);
    assert.deepEqual(parseConfig({ wan: WANS, ...again }).policies, config.policies);
  });
});

describe('sets', () => {
  it('are networks, a file or somebody else’s', () => {
    refuses({ set: ['a'] }, /set "a" has no networks/);
    refuses({ set: ['a,net=10.0.0.0/8,file=/x'] }, /set "a" has both net and file/);
    refuses({ set: ['a,net=10.0.0.0/8', 'a,external'] }, /two sets are named "a"/);
    refuses({ set: ['a,net=10.0.0.1-10.0.0.5'] }, /"10.0.0.1-10.0.0.5" is not a network/);
    refuses({ set: ['a,net=0.0.0.0/0'] }, /is every address/);
    refuses({ set: ['a,net=!10.0.0.0/8'] }, /write it in the rule, set=!a/);
    refuses({ set: ['a,file=video.txt'] }, /must be an absolute path/);
    refuses({ set: ['a,external=WANMARK_4'] }, /is not the name of an ipset of somebody else/);
    refuses({ set: ['bad name,external'] }, /set name "bad name" must be/);
  });
});
