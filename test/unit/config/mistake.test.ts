import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { parse } from 'yaml';
import { parseConfig } from '#wanmark/config/config.js';
import { readConfigFile } from '#wanmark/config/file.js';
import { locateMistake } from '#wanmark/config/mistake.js';
import type { RawConfig } from '#wanmark/config/options.js';
import { UsageError } from '#wanmark/errors.js';

const GOOD = `# two uplinks
strategy: weighted
wan:
  - name: fibre
    dev: eth1
    weight: 5
  - { name: dsl, dev: eth2, via: 192.0.2.1 }
check:
  - all=ping,to=1.1.1.1
policy: [ "video,use=dsl" ]
rule: [ "video,dport=443,proto=tcp" ]
`;

/** What is said of the text, with the flags that are given besides. */
async function said(text: string, flags: RawConfig = {}): Promise<string> {
  const check = (raw: RawConfig) => void parseConfig({ ...raw, ...flags });
  try {
    check(parse(text) as RawConfig);
  } catch (error) {
    return (
      (await locateMistake(
        { path: 'wan.yaml', text, isAlone: Object.keys(flags).length === 0 },
        error,
        check,
      )) as Error
    ).message;
  }
  return 'nothing';
}

describe('the place of a mistake', () => {
  for (const [what, from, to, place] of [
    ['a value', 'weight: 5', 'weight: many', '6:5: WAN "fibre": weight "many"'],
    ['a key', 'weight: 5', 'weigt: 5', '6:5: WAN "fibre": unknown key "weigt"'],
    ['a key in one line', 'via: 192', 'vai: 192', '7:29: WAN "dsl": unknown key "vai"'],
    ['an option', 'strategy: weighted', 'strategi: weighted', '2:1: unknown option "strategi"'],
    ["an option's value", 'weighted', 'wieghted', '2:1: unknown strategy "wieghted"'],
    [
      'an item as text',
      'all=ping,to=1.1.1.1',
      'all=pong,to=1.1.1.1',
      '9:5: check of "all": unknown kind "pong"',
    ],
    ['what refers to something else', 'use=dsl', 'use=dsk', '10:11: policy "video"'],
    ['the second of two', 'name: dsl', 'name: fibre', '7:7: two WANs are named "fibre"'],
  ] as const) {
    it(`is that of ${what}`, async () => {
      const message = await said(GOOD.replace(from, to));
      assert.ok(message.startsWith(`wan.yaml:${place}`), message);
    });
  }

  it('is that of the item where there is a second mistake', async () => {
    const message = await said(GOOD.replace('weight: 5', 'weight: many').replace('use=dsl', 'use=dsk'));
    assert.match(message, /^wan.yaml:4:5: WAN "fibre": weight "many"/);
  });

  describe('in a file of thousands of places', () => {
    const many = (of: (i: number) => string) =>
      Array.from({ length: 2000 }, (_, i) => `  - ${of(i)}\n`).join('');
    const wans = 'wan:\n  - { name: fibre, dev: eth1 }\n';
    for (const [what, text, place] of [
      [
        'a rule',
        `${wans}rule:\n${many((i) => `{ policy: fibre, proto: tcp, dport: ${i === 1800 ? 99_999 : 80} }`)}`,
        '1804:34: rule 1801',
      ],
      [
        'a network',
        `${wans}exclude:\n${many((i) => (i === 1999 ? '10.0.0.0/99' : '10.0.0.0/8'))}`,
        '2003:5: ',
      ],
      [
        'what others need',
        `wan:\n${many((i) => `{ name: w${i}, dev: eth${i}${i === 1234 ? ', weight: x' : ''} }`)}rule: [ "w3,proto=tcp", "w1234,proto=udp" ]\nmask: 0xffff\n`,
        '1236:',
      ],
    ] as const) {
      it(`is that of ${what}, found by few checks, between which others have their turn`, async () => {
        let checks = 0;
        let turns = 0;
        const check = (raw: RawConfig) => {
          checks++;
          parseConfig(raw);
        };
        const turn = () => {
          turns++;
          next = setImmediate(turn);
        };
        let next = setImmediate(turn);
        const error = await Promise.resolve()
          .then(() => check(parse(text) as RawConfig))
          .catch((why: unknown) => why);
        const found = (await locateMistake({ path: 'wan.yaml', text, isAlone: true }, error, check)) as Error;
        clearImmediate(next);
        assert.ok(found.message.startsWith(`wan.yaml:${place}`), found.message);
        assert.ok(checks < 150, `${checks} checks`);
        assert.ok(turns > checks / 2, `${turns} turns`);
      });
    }
  });

  it('is not said where no part of the file is to blame', async () => {
    assert.match(await said('mask: 0xff', { strategy: 'weighted' }), /^no WAN given|^--strategy/);
    assert.match(await said(GOOD, { queues: '99' }), /^queues "99"/);
  });
});

describe('a file that cannot be read as options', () => {
  const folder = mkdtempSync(join(tmpdir(), 'wanmark-mistake-'));
  after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'wan.yaml');
  for (const [what, text, place] of [
    ['what is not YAML', 'wan:\n  - { name: fibre', '2:18: '],
    ['a key that is there twice', 'mask: 1\nmask: 2\n', '2:1: Map keys must be unique'],
    ['an alias of nothing', 'wan:\n  - *fibre\n', '2:5: Unresolved alias'],
    ['a list', '# uplinks\n- fibre\n', '2:1: must be a map of options'],
    ['a word', 'fibre', '1:1: must be a map of options'],
    ['a NUL byte', 'wan:\n  \0', '2:3: NUL byte'],
    ['a hundred brackets', `wan:\n  ${'['.repeat(101)}`, '2:103: more than 100 brackets are open'],
  ] as const) {
    it(`has the place of ${what}`, async () => {
      writeFileSync(path, text);
      const complaint = await readConfigFile(path).then(
        () => 'nothing',
        (error: Error) => error.message,
      );
      assert.ok(complaint.startsWith(`${path}:${place}`), complaint);
      assert.ok(!complaint.includes('\n'));
    });
  }
});

/** A mistake of each part of a configuration. */
const MISTAKES: readonly (readonly [text: string, place: string])[] = [
  ['mask: 0x0', '1:1'],
  ['queue-num: 65536', '1:1'],
  ['queues: 0', '1:1'],
  ['service-queue: 7', '1:1'],
  ['backend-mask: 0xff', '1:1'],
  ['sticky: dst', '1:1'],
  ['engine: kernal', '1:1'],
  ['per: packet', '1:1'],
  ['own: perhaps', '1:1'],
  ['table: 12', '1:1'],
  ['exclude: [10.0.0.0/8, 10.0.0.0/33]', '1:23'],
  ['lan: [eth9, eth1]', '2:8'],
  ['log-kernel: 1', '1:1'],
  ['count: dead', '1:1'],
  ['weights: 1,2', '1:1'],
  ['high-mark: 3', '2:1'],
  ['deadline: 0', '1:1'],
  ['check:\n  - { wan: all, check: ping, to: 1.1.1.1, interval: 0 }', '2:43'],
  ['check:\n  - { wan: all, check: ping, to: [1.1.1.1, 1.1.1.1] }', '2:44'],
  ['check:\n  - { wan: dls, check: ping, to: 1.1.1.1 }', '2:5'],
  ['hook: [/etc/hook, hook]', '1:19'],
  ['hook-user: -root', '1:1'],
  ['socket: ""', '1:1'],
  ['policy:\n  - { name: default, use: fibre }', '2:5'],
  ['policy:\n  - { name: a, use: [fibre, { wan: dsl, tier: 0 }] }', '2:29'],
  ['policy:\n  - { name: a, use: fibre, none: b }', '2:28'],
  ['rule:\n  - { policy: dsl, from: 10.0.0.0/33 }', '2:20'],
  ['rule:\n  - { policy: dsl, dport: 80 }', '2:20'],
  ['rule:\n  - { policy: dsl, time: { days: someday } }', '2:20'],
  ['set:\n  - { name: a }', '2:5'],
  ['set:\n  - { name: a, file: networks }', '2:5'],
  ['service:\n  - { name: web, listen: 192.0.2.1:80 }', '2:5'],
  ['service:\n  - { name: web, listen: 192.0.2.1:80/tcp }', '2:5'],
  ['backend:\n  - { service: web, to: 10.0.0.2 }', '2:5'],
  ['wan:\n  - { name: fibre, dev: eth1, weight: 0 }', '2:31'],
  ['wan:\n  - { name: fibre }', '2:7'],
  ['wan:\n  - 5', '2:5'],
  ['wan: []', '1:1'],
  ['strategy: weighted', '1:1'],
];

describe('every mistake has its place', () => {
  for (const [text, place] of MISTAKES) {
    it(text.replaceAll('\n', ' '), async () => {
      const isWhole = /^(wan|strategy):/.test(text);
      const whole = isWhole ? text : `${text}\nwan: [ "fibre,dev=eth1", "dsl,dev=eth2" ]\n`;
      const message = await said(whole);
      assert.ok(message.startsWith(`wan.yaml:${place}: `), message);
    });
  }

  it('also where only the machine says what is wrong', async () => {
    const text = 'wan: ["fibre,dev=eth1"]\nhook:\n  - /etc/hooks/one\n  - /etc/hooks/two\n';
    const error = new UsageError('--hook /etc/hooks/two does not exist');
    const found = (await locateMistake({ path: 'wan.yaml', text }, error, () => undefined)) as Error;
    assert.equal(found.message, 'wan.yaml:4:5: --hook /etc/hooks/two does not exist');
    const other = new UsageError('iptables is not there');
    const file = { path: 'wan.yaml', text, isAlone: true };
    assert.equal(await locateMistake(file, other, () => undefined), other);
  });
});
