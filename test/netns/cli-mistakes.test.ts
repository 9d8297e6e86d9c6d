import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Lab } from '#wanmark/lab/lab.js';
import { Wanmark } from '#wanmark/lab/wanmark.js';
import { CommandLines } from '../helpers/command-lines.js';
import { MAIN } from '../helpers/main.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';

const WAN1 = 'wan1,dev=wan1,via=198.51.100.1';
const WAN2 = 'wan2,dev=wan2,via=198.51.100.9';

/** A script that prints everything `up` and `run` could change. The lock stays, since removing one that another waits for breaks it. */
const STATE = `
for f in 4 6; do ip -$f rule; ip -$f route show table all; done
for t in mangle nat filter; do iptables-save -t $t; ip6tables-save -t $t; done | grep -v -e '^#' -e '^:'
grep -r . /proc/sys/net/ipv4/conf/*/src_valid_mark /proc/sys/net/ipv4/conf/*/rp_filter
ls /run/wanmark 2>/dev/null | grep -vx lock || true
`;

/** [what is wrong, arguments, what the line must say]; the exit code is 2. */
const MISTAKES: [string, string[], RegExp][] = [
  ['no command', [], /no command given; try wanmark --help/],
  ['unknown command', ['rnu'], /unknown command "rnu"; did you mean "run"\?/],
  ['unknown option', ['run', '--straegy', 'rr'], /unknown option --straegy; did you mean --strategy\?/],
  ['stray word', ['run', 'now'], /run takes options only, not "now"/],
  ['option without its value', ['run', '--wan'], /Not enough arguments following: wan/],
  ['value for a switch', ['run', '--wan', WAN1, '--log-mark=5'], /--log-mark takes no value/],
  [
    'unknown strategy',
    ['run', '--wan', WAN1, '--strategy', 'weigthed'],
    /unknown strategy "weigthed"; did you mean "weighted"\?/,
  ],
  [
    'unknown kind of count',
    ['run', '--wan', WAN1, '--count', 'all'],
    /count "all" must be live or established/,
  ],
  [
    'strategy file that does not exist',
    ['run', '--wan', WAN1, '--strategy', './no.js'],
    /strategy file .\/no.js does not exist/,
  ],
  ['configuration file that does not exist', ['run', '--config', '/no.yaml'], /cannot read \/no.yaml/],
  ['no WAN', ['run'], /no WAN given/],
  [
    'Ethernet without a gateway',
    ['up', '--wan', 'a,dev=wan1'],
    /wan1 is an Ethernet device, which needs a gateway/,
  ],
  [
    'duplicate WAN',
    ['up', '--wan', WAN1, '--wan', 'wan1,dev=wan2,via=198.51.100.9'],
    /two WANs are named "wan1"/,
  ],
  ['duplicate mark', ['up', '--wan', `${WAN1},mark=2`, '--wan', `${WAN2},mark=2`], /both have mark 2/],
  ['mark outside the mask', ['up', '--wan', `${WAN1},mark=9`, '--mask', '0x7'], /mark 9 is outside the mask/],
  ['mask 0', ['up', '--wan', WAN1, '--mask', '0'], /mask 0 holds no mark/],
  ['mask with holes', ['up', '--wan', WAN1, '--mask', '0x5'], /mask 0x5 has holes/],
  [
    'more WANs than the mask holds',
    ['up', '--wan', WAN1, '--wan', WAN2, '--mask', '1'],
    /2 WANs do not fit the mask/,
  ],
  ['negative weight', ['up', '--wan', `${WAN1},weight=-1`], /weight "-1" must be a whole number/],
  [
    'weight that is not a number',
    ['up', '--wan', `${WAN1},weight=much`],
    /weight "much" must be a whole number/,
  ],
  ['all weights 0', ['up', '--wan', `${WAN1},weight=0`], /every WAN has weight 0/],
  [
    'unknown engine',
    ['up', '--wan', WAN1, '--engine', 'kernal'],
    /unknown engine "kernal"; did you mean "kernel"\?/,
  ],
  [
    'unknown kernel mode',
    ['up', '--wan', WAN1, '--kernel-mode', 'nht'],
    /unknown kernel-mode "nht"; did you mean "nth"\?/,
  ],
  [
    'unknown value of --per',
    ['up', '--wan', WAN1, '--per', 'bit'],
    /unknown per "bit"; use one of connection, packet/,
  ],
  ['packets with a daemon', ['up', '--wan', WAN1, '--per', 'packet'], /--per packet needs --engine kernel/],
  [
    'a daemon for the kernel engine',
    ['run', '--wan', WAN1, '--engine', 'kernel'],
    /wanmark up --engine kernel is all that is needed/,
  ],
  [
    'rotation that is too long',
    ['up', '--wan', `${WAN1},weight=256`, '--wan', WAN2, '--kernel-mode', 'nth'],
    /a rotation of 257, more than 256; use smaller weights, or kernel mode random/,
  ],
  ['bare marks and rules', ['up', '--high-mark', '3'], /up needs --wan/],
];

const STRATEGY_FILES: [string, string, RegExp][] = [
  ['with a syntax error', 'export default (', /does not load: /],
  ['without a default export', 'export const x = 1;', /no default export that is a function/],
  ['without pick', 'export default () => ({});', /must return an object with pick/],
  ['that throws', 'export default () => { throw new Error("not today"); };', /does not load: not today/],
];

/** Ten lists, each of nine times the one before: 9 to the power of 10 elements. */
const ALIASES = [
  'a: &a [x,x,x,x,x,x,x,x,x]',
  ...[...'bcdefghij'].map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefghi'[i]}`)}]`),
  'wan: *j',
].join('\n');

describe('a mistake', needs(nfqueue, addon), () => {
  let lab: Lab;
  let wanmark: Wanmark;
  /** Runs the command lines; those that need a process of their own come last. */
  let commandLines: CommandLines;
  let untouched: string;
  let dir: string;
  const state = async () => (await lab.router.sh(STATE)).stdout;

  before(async () => {
    lab = await Lab.start({ wans: 2 });
    wanmark = new Wanmark(lab);
    commandLines = CommandLines.on(lab.router);
    untouched = await state();
    dir = mkdtempSync(join(tmpdir(), 'wanmark-test-'));
    chmodSync(dir, 0o755);
  });
  after(async () => {
    await lab?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  async function refuses(args: string[], complaint: RegExp, code = 2): Promise<void> {
    const result = await commandLines.run(...args);
    assert.match(result.stderr, complaint);
    assert.match(result.stderr, /^wanmark: [^\n]+\n$/, 'one line');
    assert.equal(result.stdout, '');
    assert.equal(result.status, code);
    assert.equal(await state(), untouched, 'nothing changed');
  }

  for (const [name, args, complaint] of MISTAKES) {
    it(`is one line and exit 2: ${name}`, () => refuses(args, complaint));
  }

  for (const [name, source, complaint] of STRATEGY_FILES) {
    it(`is one line and exit 2: a strategy file ${name}`, async () => {
      const file = join(dir, `${name.replaceAll(' ', '-')}.mjs`);
      writeFileSync(file, source);
      await refuses(['run', '--wan', WAN1, '--strategy', file], complaint);
    });
  }

  it('is one line and exit 2: a configuration file with a syntax error, an unknown key or not a map', async () => {
    const file = join(dir, 'wanmark.yaml');
    for (const [text, complaint] of [
      ['strategy: [', /wanmark.yaml:1:\d+: /],
      ['stratgy: rr', /unknown option "stratgy"; did you mean "strategy"\?/],
      ['- a', /must be a map of options/],
      // Names that every object has.
      ['constructor: 1', /unknown option "constructor"/],
      ['{"__proto__": {"mask": "0x3"}}', /unknown option "__proto__"/],
      ['wan: ["a,dev=eth0,via=dev,constructor=1"]', /WAN "a": unknown key "constructor"/],
      ['wan: ["a,dev=eth0,via=dev,__proto__=1"]', /WAN "a": unknown key "__proto__"/],
      // What makes a parser work for hours, or fall over.
      ['[a]: b\n\0', /wanmark.yaml:2:1: NUL byte/],
      [ALIASES, /wanmark.yaml:\d+:\d+: .*alias/],
      ['wan:\n  - &a\n    - b\n    - *a\n', /wanmark.yaml:4:7: this alias is in what it names/],
      ['? [a]\n: 1', /unknown option "\[ a \]"/],
      ['['.repeat(2 ** 20), /wanmark.yaml:1:101: more than 100 brackets are open/],
      [`wan: [${' '.repeat(2 ** 20)}]`, /has 1048583 bytes; a configuration has at most 1048576/],
    ] as const) {
      writeFileSync(file, text);
      await refuses(['run', '--config', file], complaint);
    }
  });

  it('has its place in the file where only the machine says what is wrong', async () => {
    const file = join(dir, 'late.yaml');
    const wan = `wan: [ "${WAN1}", "${WAN2}" ]\n`;
    for (const [text, place, complaint] of [
      [
        'wan:\n  - { name: a, dev: wan1 }\n',
        '2:16',
        'WAN a: wan1 is an Ethernet device, which needs a gateway',
      ],
      [
        'rule: [ "a,proto=udp" ]\nwan: [ "a,dev=wan1" ]\n',
        '2:8',
        'WAN a: wan1 is an Ethernet device, which needs a gateway',
      ],
      [
        `${wan}set: [ "vpn,file=/no/set" ]\nrule: [ "wan1,set=vpn" ]\n`,
        '2:8',
        'set "vpn": cannot read /no/set',
      ],
      [`${wan}kernel-mode: hash:src\nbackend: iptables\n`, '3:1', 'iptables cannot hash'],
    ] as const) {
      writeFileSync(file, text);
      const line = new RegExp(`^wanmark: ${file}:${place}: ${complaint}[^\\n]*\\n$`);
      await refuses(['up', '--config', file], line);
      // A daemon that fails so late ends its process.
      const { code, stderr } = await wanmark.command(['run', '--up', '--config', file], 'any');
      assert.match(stderr, line);
      assert.deepEqual([code, await state()], [2, untouched]);
    }
  });

  it('is one line and exit 2, at once: something else in place of a file', async () => {
    const fifo = join(dir, 'fifo.mjs');
    const zero = join(dir, 'zero');
    await lab.router.sh(`mkfifo ${fifo} && ln -s /dev/zero ${zero}`);
    const set = (file: string) => ['up', '--wan', WAN1, '--set', `x,file=${file}`, '--rule', 'default,set=x'];
    for (const [args, complaint] of [
      [['run', '--config', fifo], /no WAN given/],
      [['run', '--config', zero], /zero has more; a configuration has at most 1048576 bytes/],
      [['import', 'mwan3', zero], /zero has more/],
      [['run', '--wan', WAN1, '--strategy', fifo], /strategy file .* is not a regular file/],
      [['web', '--token-file', fifo], /token-file .* cannot be read: it is not a regular file/],
      [set(fifo), /set "x": cannot read .*: it is not a regular file/],
      [set(zero), /set "x": cannot read .*: it is not a regular file/],
    ] as const) {
      await refuses([...args], complaint);
    }
  });

  it('has its place also in a configuration that can be read only once', async () => {
    const argv = `printf 'wan: [a]' | ${process.execPath} ${MAIN} up --config /dev/stdin`;
    const { code, stderr } = await lab.router.exec(['sh', '-c', argv], { okCodes: 'any' });
    assert.match(stderr, /^wanmark: \/dev\/stdin:1:7: WAN "a" has no device[^\n]*\n$/);
    assert.equal(code, 2);
  });

  it('is one line and exit 1: a queue of another daemon, which is unharmed', async () => {
    const first = await wanmark.run();
    const second = await wanmark.command(['run', '--wan', WAN1], 'any');
    assert.match(second.stderr, /^wanmark: queue 0 belongs to another program[^\n]*\n$/);
    assert.equal(second.code, 1);
    await first.stop();
    // What happened, and what the next daemon is to know, outlives this one.
    await lab.router.sh('rm /run/wanmark/events.jsonl /run/wanmark/wanmark.sock.memory');
  });

  it('is one line and exit 1: no privilege', async () => {
    for (const command of ['run', 'up']) {
      const drop = ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs'];
      const argv = [...drop, process.execPath, MAIN, command, '--wan', WAN1];
      const { code, stderr, stdout } = await lab.router.exec(argv, { okCodes: 'any' });
      assert.match(stderr, /^wanmark: [^\n]*(CAP_NET_ADMIN|root)[^\n]*\n$/, command);
      assert.equal(stdout, '');
      assert.equal(code, 1);
      assert.equal(await state(), untouched);
    }
  });

  it('is one line and exit 1: iptables is missing', async () => {
    // A PATH that has all programs but those of iptables.
    const script = `
      mkdir -p /run/bin
      for d in /usr/sbin /sbin /usr/bin /bin; do for f in "$d"/*; do
        case $f in *tables*) ;; *) ln -sf "$f" /run/bin/ ;; esac
      done; done
      mount -t tmpfs none /usr/sbin; mount -t tmpfs none /sbin 2>/dev/null || true
      PATH=/run/bin exec "$@"`;
    const argv = ['unshare', '-m', 'sh', '-c', script, 'sh', process.execPath, MAIN, 'up', '--wan', WAN1];
    const { code, stderr } = await lab.router.exec(argv, { okCodes: 'any' });
    assert.match(stderr, /^wanmark: iptables[^\n]*apt-get install iptables[^\n]*\n$/);
    assert.equal(code, 1);
    assert.equal(await state(), untouched);
  });
});
