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

const WEB = 'name=web listen=192.0.2.1:80/tcp';
const TO = 'service=web to=10.0.0.1:8080';
const service = (services: string, backends = TO) => ({
  WANMARK_SERVICES: services,
  WANMARK_BACKENDS: backends,
});

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
  ['no queues', { WANMARK_WANS: GOOD, WANMARK_QUEUES: '0' }, /WANMARK_QUEUES .* from 1 to 16/],
  ['too many queues', { WANMARK_WANS: GOOD, WANMARK_QUEUES: '17' }, /WANMARK_QUEUES .* from 1 to 16/],
  [
    'queues beyond the last number',
    { WANMARK_WANS: GOOD, WANMARK_QUEUE: '65534', WANMARK_QUEUES: '3' },
    /beyond 65535; use lower numbers/,
  ],
  ['engine', { WANMARK_WANS: GOOD, WANMARK_ENGINE: 'steam' }, /must be nfqueue or kernel/],
  ['kernel mode', { WANMARK_WANS: GOOD, WANMARK_KERNEL_MODE: 'rr' }, /must be random or nth/],
  ['per', { WANMARK_WANS: GOOD, WANMARK_ENGINE: 'kernel', WANMARK_PER: 'byte' }, /connection or packet/],
  ['packets with a daemon', { WANMARK_WANS: GOOD, WANMARK_PER: 'packet' }, /needs WANMARK_ENGINE=kernel/],
  [
    'a rotation of too many',
    { WANMARK_WANS: `${GOOD} weight=200; name=b dev=b via=dev weight=57`, WANMARK_KERNEL_MODE: 'nth' },
    /a rotation of 257, more than 256; use smaller weights, or kernel mode random/,
  ],
  [
    'rotation of a higher tier',
    {
      WANMARK_WANS: `${GOOD}; name=b dev=b via=dev weight=200 tier=2; name=c dev=c via=dev weight=57 tier=2`,
      WANMARK_KERNEL_MODE: 'nth',
    },
    /a rotation of 257/,
  ],
  ['down and unknown', { WANMARK_WANS: GOOD, WANMARK_DOWN: 'fibre dsl' }, /there is no WAN 'dsl'/],
  ['down in no family', { WANMARK_WANS: GOOD, WANMARK_DOWN: 'fibre:5' }, /'fibre:5' must be a WAN's name/],
  ['a weight and unknown', { WANMARK_WANS: GOOD, WANMARK_WEIGHTS: 'fibre=2 dsl=1' }, /there is no WAN 'dsl'/],
  ['a weight and a pattern', { WANMARK_WANS: GOOD, WANMARK_WEIGHTS: '*=1' }, /there is no WAN '\*'/],
  [
    'a weight without its number',
    { WANMARK_WANS: GOOD, WANMARK_WEIGHTS: 'fibre' },
    /'fibre' must be a WAN's/,
  ],
  ['a weight of the moment', { WANMARK_WANS: GOOD, WANMARK_WEIGHTS: 'fibre=65536' }, /from 0 to 65535/],
  [
    'weights of the moment, all 0',
    { WANMARK_WANS: GOOD, WANMARK_WEIGHTS: 'fibre=0' },
    /every WAN with weight 0/,
  ],
  [
    'a rotation of too many by the weights of the moment',
    {
      WANMARK_WANS: `${GOOD}; name=b dev=b via=dev`,
      WANMARK_WEIGHTS: 'fibre=256',
      WANMARK_KERNEL_MODE: 'nth',
    },
    /a rotation of 257/,
  ],
  ['a repair that is not a switch', { WANMARK_WANS: GOOD, WANMARK_REPAIR: 'no' }, /WANMARK_REPAIR is 'no'/],
  [
    'a touched device that is none',
    { WANMARK_WANS: GOOD, WANMARK_TOUCHED: 'eth1 a/b' },
    /WANMARK_TOUCHED: 'a\/b' is no/,
  ],
  ['down and a pattern', { WANMARK_WANS: GOOD, WANMARK_DOWN: '*' }, /there is no WAN '\*'/],
  [
    'last resort',
    { WANMARK_WANS: GOOD, WANMARK_LAST_RESORT: 'drop' },
    /must be main, unreachable or blackhole/,
  ],
  [
    'the mark of the last resort',
    { WANMARK_WANS: `${GOOD} mark=255`, WANMARK_LAST_RESORT: 'blackhole' },
    /'255' is outside .* 1 to 254/,
  ],
  [
    'no mark left for the last resort',
    { WANMARK_WANS: GOOD, WANMARK_MASK: '1', WANMARK_LAST_RESORT: 'unreachable' },
    /1 WANs do not fit .* holds 0/,
  ],
  [
    'auto on a device of two',
    { WANMARK_WANS: 'name=a dev=e via=auto;name=b dev=e via=192.0.2.1' },
    /a and b have the same device, which via=auto needs for itself/,
  ],
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
  [
    'a backend alone',
    { WANMARK_WANS: GOOD, WANMARK_BACKENDS: 'service=a to=10.0.0.1' },
    /there is no service 'a'/,
  ],
  ['a service alone', { WANMARK_SERVICES: WEB }, /service web has no backend/],
  ['service key', service(`${WEB} port=80`), /unknown key in 'port=80'; a service has name listen snat/],
  ['service name', service('name=a"b listen=192.0.2.1:80/tcp'), /service name 'a"b' must be/],
  ['two services of one name', service(`${WEB};${WEB}`), /two services are called web/],
  ['no protocol', service('name=web listen=192.0.2.1:80'), /must end in \/tcp/],
  ['no port', service('name=web listen=192.0.2.1/tcp'), /has no port/],
  ['a port with any', service('name=web listen=192.0.2.1:80/any'), /leave the port out/],
  ['port out of range', service('name=web listen=192.0.2.1:65536/tcp'), /ports must be from 1 to 65535/],
  ['ports backwards', service('name=web listen=192.0.2.1:90-80/tcp'), /ports must be/],
  ['listen no address', service('name=web listen=192.0.2.256:80/tcp'), /'192.0.2.256' is no address/],
  ['listen loopback', service('name=web listen=127.0.0.1:80/tcp'), /no address that others can reach/],
  ['snat of the other family', service(`${WEB} snat=fd00::1`), /snat 'fd00::1' must be/],
  ['snat a prefix', service(`${WEB} snat=192.0.2.0/24`), /snat '192.0.2.0\/24' must be/],
  [
    'overlap',
    service(`${WEB};name=b listen=192.0.2.1/any`, `${TO};service=b to=10.0.0.1`),
    /services web and b overlap/,
  ],
  [
    'overlap in two spellings',
    service(
      'name=a listen=[2001:db8::1]:1-9/tcp;name=b listen=[2001:DB8:0::1]:9/tcp',
      'service=a to=fd00::1;service=b to=fd00::1',
    ),
    /services a and b overlap/,
  ],
  [
    'backend key',
    service(WEB, `${TO} port=1`),
    /unknown key in 'port=1'; a backend has service to mark weight/,
  ],
  ['backend family', service(WEB, 'service=web to=[fd00::1]:80'), /is IPv6, but the service listens on IPv4/],
  ['backend port', service(WEB, 'service=web to=10.0.0.1:http'), /the port must be from 1 to 65535/],
  ['backend port with any', service('name=web listen=192.0.2.1/any'), /with \/any the port stays/],
  ['backend no address', service(WEB, 'service=web to=10.0.0.1.1:80'), /is no address/],
  ['backend weights', service(WEB, `${TO} weight=0`), /every backend of service web has weight 0/],
  ['backend weight', service(WEB, `${TO} weight=-1`), /weight '-1' must be/],
  ['backend mark', service(WEB, `${TO} mark=0`), /mark '0' is outside the mask 0xff00/],
  [
    'two backends of one mark',
    service(WEB, `${TO} mark=2;service=web to=10.0.0.2`),
    /two backends have mark 2/,
  ],
  [
    'more backends than marks',
    { ...service(WEB, `${TO};service=web to=10.0.0.2`), WANMARK_BACKEND_MASK: '0x100' },
    /2 backends do not fit .* holds 1/,
  ],
  ['masks that share bits', { ...service(WEB), WANMARK_BACKEND_MASK: '0x1fe' }, /share bits/],
  [
    'a backend mask with holes',
    { ...service(WEB), WANMARK_BACKEND_MASK: '0x500' },
    /WANMARK_BACKEND_MASK 0x500 has holes/,
  ],
  [
    'a queue of the WANs for services',
    { ...service(WEB), WANMARK_QUEUES: '3', WANMARK_SERVICE_QUEUE: '2' },
    /WANMARK_SERVICE_QUEUE 2 is one of the queues of the WANs, 0 to 2;/,
  ],
  ['one queue for both', { ...service(WEB), WANMARK_SERVICE_QUEUE: '0' }, /are both 0/],
  ['forward accept', { ...service(WEB), WANMARK_FORWARD_ACCEPT: 'yes' }, /WANMARK_FORWARD_ACCEPT is 'yes'/],
  [
    'a rotation of too many backends',
    { ...service(WEB, `${TO} weight=200;service=web to=10.0.0.2 weight=57`), WANMARK_KERNEL_MODE: 'nth' },
    /service web.*a rotation of 257/,
  ],
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
    assert.equal(run('wanmark.sh', ['print'], service(WEB)).status, 0);
    assert.equal(run('wanmark.sh', ['print'], { ...service(WEB), WANMARK_WANS: GOOD }).status, 0);
    // Long addresses that differ in their last digit only.
    const near = service(
      'name=a listen=192.0.2.1:1-9/tcp;name=b listen=192.0.2.2/any',
      'service=a to=10.0.0.1;service=b to=10.0.0.1',
    );
    assert.equal(run('wanmark.sh', ['print'], near).status, 0);
    assert.equal(run('wanmark.sh', ['print'], { WANMARK_WANS: many(3), WANMARK_MASK: '0xc0' }).status, 0);
    // 256 slots, divided by what all weights have in common; what has no share does not count.
    const slots = `${GOOD} weight=65280;name=b dev=b via=dev weight=256;name=c dev=c via=dev weight=7 tier=2`;
    assert.equal(run('wanmark.sh', ['print'], { WANMARK_WANS: slots, WANMARK_KERNEL_MODE: 'nth' }).status, 0);
    assert.equal(run('wanmark.sh', ['print'], { WANMARK_WANS: GOOD, WANMARK_MASK: '0xffffffff' }).status, 0);
  });

  test('verbs', () => {
    for (const args of [[], ['start'], ['up', 'now']]) {
      const { status, stderr } = run('wanmark.sh', args, { WANMARK_WANS: GOOD });
      assert.equal(status, 2);
      assert.match(stderr, /^wanmark: .*usage: .* up\|down\|refresh\|check\|print\n$/);
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
