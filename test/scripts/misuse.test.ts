/** Bad input: one line that says what is wrong, exit 2, nothing run. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const SCRIPTS = fileURLToPath(new URL('../../scripts/', import.meta.url));

function run(file: string, args: string[], env: Record<string, string> = {}) {
  return spawnSync('sh', [`${SCRIPTS}${file}`, ...args], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH ?? '', ...env },
  });
}

const GOOD = 'name=fibre dev=eth1 via=192.0.2.1';
const many = (count: number) =>
  Array.from({ length: count }, (_, i) => `name=w${i} dev=e${i} via=dev`).join('\n');

const CASES: [string, Record<string, string>, RegExp][] = [
  ['no WANs', {}, /WANMARK_WANS is empty/],
  ['only blank records', { WANMARK_WANS: '\n; ;' }, /holds no WAN/],
  ['unknown key', { WANMARK_WANS: `${GOOD} gateway=1` }, /unknown key in 'gateway=1'/],
  ['a word without a value', { WANMARK_WANS: `${GOOD} weight` }, /unknown key in 'weight'/],
  ['no name', { WANMARK_WANS: 'dev=eth1 via=dev' }, /WAN name ''/],
  ['name too long', { WANMARK_WANS: 'name=abcdefghijklmnop dev=eth1 via=dev' }, /1 to 15 letters/],
  ['name with a quote', { WANMARK_WANS: 'name=a"b dev=eth1 via=dev' }, /1 to 15 letters/],
  ['name that would be a command', { WANMARK_WANS: 'name=$(id) dev=eth1 via=dev' }, /1 to 15 letters/],
  ['two of one name', { WANMARK_WANS: `${GOOD};${GOOD}` }, /two WANs are called fibre/],
  ['two of one mark', { WANMARK_WANS: `${GOOD} mark=2;name=b dev=b via=dev` }, /two WANs have mark 2/],
  ['no device', { WANMARK_WANS: 'name=a via=dev' }, /dev '' is no device name/],
  ['device that is an option', { WANMARK_WANS: 'name=a dev=-x via=dev' }, /dev '-x' is no device name/],
  ['device pattern', { WANMARK_WANS: 'name=a dev=eth+ via=dev' }, /dev 'eth\+' is no device name/],
  ['no gateway', { WANMARK_WANS: 'name=a dev=eth1' }, /neither via nor via6/],
  ['IPv6 gateway as via', { WANMARK_WANS: 'name=a dev=eth1 via=fe80::1' }, /'fe80::1' is no IPv4 address/],
  [
    'IPv4 gateway as via6',
    { WANMARK_WANS: 'name=a dev=eth1 via6=192.0.2.1' },
    /'192.0.2.1' is no IPv6 address/,
  ],
  ['gateway with a length', { WANMARK_WANS: 'name=a dev=eth1 via=192.0.2.1/24' }, /no IPv4 address/],
  ['gateway out of range', { WANMARK_WANS: 'name=a dev=eth1 via=192.0.2.256' }, /no IPv4 address/],
  ['gateway with two ::', { WANMARK_WANS: 'name=a dev=eth1 via6=fe80::1::2' }, /no IPv6 address/],
  ['gateway too short', { WANMARK_WANS: 'name=a dev=eth1 via6=fe80:1' }, /no IPv6 address/],
  ['mark 0', { WANMARK_WANS: `${GOOD} mark=0` }, /mark '0' is outside the mask 0xff; .* 1 to 255/],
  ['mark too large', { WANMARK_WANS: `${GOOD} mark=4`, WANMARK_MASK: '0x30' }, /'4' is outside .* 1 to 3/],
  ['mark no number', { WANMARK_WANS: `${GOOD} mark=0x1` }, /mark '0x1'/],
  ['mark octal', { WANMARK_WANS: `${GOOD} mark=08` }, /mark '08'/],
  ['negative weight', { WANMARK_WANS: `${GOOD} weight=-1` }, /weight '-1' must be/],
  ['weight no number', { WANMARK_WANS: `${GOOD} weight=much` }, /weight 'much' must be/],
  ['weight a fraction', { WANMARK_WANS: `${GOOD} weight=1.5` }, /weight '1.5' must be/],
  ['all weights 0', { WANMARK_WANS: `${GOOD} weight=0` }, /every WAN has weight 0/],
  ['tier 0', { WANMARK_WANS: `${GOOD} tier=0` }, /tier '0'/],
  ['nat no address', { WANMARK_WANS: `${GOOD} nat=yes` }, /nat 'yes' must be/],
  ['nat of the other family', { WANMARK_WANS: `${GOOD} nat=fd00::1` }, /nat 'fd00::1' must be/],
  ['mask 0', { WANMARK_WANS: GOOD, WANMARK_MASK: '0' }, /WANMARK_MASK is 0/],
  ['mask 0x0', { WANMARK_WANS: GOOD, WANMARK_MASK: '0x0' }, /WANMARK_MASK is 0/],
  ['mask with holes', { WANMARK_WANS: GOOD, WANMARK_MASK: '0xf0f' }, /has holes/],
  ['mask of 33 bits', { WANMARK_WANS: GOOD, WANMARK_MASK: '0x1ffffffff' }, /32 bits/],
  ['mask of words', { WANMARK_WANS: GOOD, WANMARK_MASK: '$(id)' }, /32 bits/],
  ['more WANs than marks', { WANMARK_WANS: many(4), WANMARK_MASK: '0xc0' }, /4 WANs do not fit .* holds 3/],
  ['queue out of range', { WANMARK_WANS: GOOD, WANMARK_QUEUE: '65536' }, /WANMARK_QUEUE .* from 0 to 65535/],
  ['engine', { WANMARK_WANS: GOOD, WANMARK_ENGINE: 'steam' }, /must be nfqueue or kernel/],
  ['LAN device', { WANMARK_WANS: GOOD, WANMARK_LAN: 'lan0 $x' }, /WANMARK_LAN: '\$x'/],
  [
    'excluded no network',
    { WANMARK_WANS: GOOD, WANMARK_EXCLUDE: '10.0.0.0/33' },
    /'10.0.0.0\/33' is no network/,
  ],
  ['excluded host name', { WANMARK_WANS: GOOD, WANMARK_EXCLUDE: 'example.org' }, /is no network/],
  ['table of the system', { WANMARK_WANS: GOOD, WANMARK_TABLE: '254' }, /WANMARK_TABLE .* from 256/],
  ['priority behind main', { WANMARK_WANS: GOOD, WANMARK_PRIORITY: '32766' }, /WANMARK_PRIORITY/],
  ['log flag', { WANMARK_WANS: GOOD, WANMARK_LOG_KERNEL: 'yes' }, /WANMARK_LOG_KERNEL/],
  ['a program with blanks', { WANMARK_WANS: GOOD, IPTABLES: 'rm -rf' }, /names of programs/],
];

describe('bad environment', () => {
  for (const [name, env, message] of CASES) {
    test(name, () => {
      for (const verb of ['up', 'print']) {
        const { status, stdout, stderr } = run('wanmark.sh', [verb], env);
        assert.equal(status, 2, stderr);
        assert.match(stderr, /^wanmark: [^\n]*\n$/, 'one line');
        assert.match(stderr, message);
        assert.equal(stdout, '');
      }
    });
  }

  test('the control: the good record is good', () => {
    assert.equal(run('wanmark.sh', ['print'], { WANMARK_WANS: GOOD }).status, 0);
    assert.equal(run('wanmark.sh', ['print'], { WANMARK_WANS: many(3), WANMARK_MASK: '0xc0' }).status, 0);
    assert.equal(run('wanmark.sh', ['print'], { WANMARK_WANS: GOOD, WANMARK_MASK: '0xffffffff' }).status, 0);
  });

  test('verbs', () => {
    for (const args of [[], ['start'], ['up', 'now']]) {
      const { status, stderr } = run('wanmark.sh', args, { WANMARK_WANS: GOOD });
      assert.equal(status, 2);
      assert.match(stderr, /^wanmark: .*usage: .* up\|down\|refresh\|print\n$/);
    }
  });

  test('rp-filter', () => {
    for (const args of [[], ['3'], ['1', '2'], ['strict']]) {
      const { status, stderr } = run('rp-filter.sh', args);
      assert.equal(status, 2);
      assert.match(stderr, /^wanmark: usage: .* 0\|1\|2 [^\n]*\n$/);
    }
  });

  test('nothing in a value is run', () => {
    const canary = '/tmp/wanmark-canary';
    const { status } = run('wanmark.sh', ['print'], {
      WANMARK_WANS: `name=\`touch ${canary}\` dev=$(touch ${canary}) via=dev`,
      WANMARK_EXCLUDE: `$(touch ${canary})`,
    });
    assert.equal(status, 2);
    assert.equal(spawnSync('test', ['-e', canary]).status, 1);
  });
});
