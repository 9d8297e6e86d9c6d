/** Any configuration is taken, or refused in one line, and at once. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { parseChange } from '#wanmark/config/change.js';
import { parseConfig } from '#wanmark/config/config.js';
import { readConfigFile } from '#wanmark/config/file.js';
import { OPTIONS } from '#wanmark/config/options.js';
import { printable } from '#wanmark/core/printable.js';
import { UsageError } from '#wanmark/errors.js';
import { type Draw, fuzz } from '../../helpers/fuzz.js';

const FILE = `
wan:
  - name: fibre
    dev: eth1
    via: 192.0.2.1
    via6: fe80::1
    weight: 3
  - dsl,dev=ppp0,weight=1,tier=2
strategy: hash:src,dport
mask: 0x3f000000
check:
  - all=ping,to=1.1.1.1+9.9.9.9,interval=2,loss=20:10
  - { wan: fibre, check: http, to: "http://example.net/generate_204" }
exclude: [10.0.0.0/8, "fd00::/8"]
service: [{ name: web, listen: "192.0.2.1:80/tcp" }]
backend: [{ service: web, to: "10.0.0.2:8080" }]
policy:
  - { name: voice, use: [dsl, { wan: fibre, tier: 2 }], none: unreachable }
set: [{ name: office, net: [198.51.100.0/24] }, { name: ads, external: true }]
rule:
  - { from: 192.168.9.50, policy: voice }
  - { proto: [tcp, udp], dport: [5060, 10000-20000], time: mon-fri 08:00-18:00, policy: voice }
  - "direct,set=!office,in=wg+,dscp=ef,uid=0"
hook: /etc/wanmark/hook
`;
/** Values of every kind, some of which belong to some option. */
const VALUES = [
  ...[
    'fibre,dev=eth1,via=192.0.2.1',
    'all=ping,to=1.1.1.1',
    '0xff',
    '0',
    '-1',
    'NaN',
    '1e9',
    '',
    '\0',
    '\u202e',
  ],
  ...['fibre,from=10.0.0.0/8', 'p,use=fibre:tier=2+dsl', 'office,net=10.0.0.0/8', 'mon-fri 08:00-18:00'],
  ...['constructor', '__proto__', '/etc/passwd', '::1', '10.0.0.0/8', 'on', 'web,listen=192.0.2.1:80/tcp'],
  ...[0, -1, 1.5, 2 ** 53, Number.NaN, null, true, [], {}, [[]], [null], { name: 'fibre', dev: [] }],
];
const LONGEST_MS = 5000;

/** Runs what takes or refuses; anything but a `UsageError` of one line passes on. */
async function takesOrRefuses(act: () => unknown): Promise<void> {
  const began = performance.now();
  try {
    await act();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    // What is quoted in it becomes printable where it is said.
    assert.doesNotMatch(printable(error.message), /\n/);
  }
  assert.ok(performance.now() - began < LONGEST_MS);
}

function value(draw: Draw): unknown {
  const one = draw.pick(VALUES);
  if (draw.below(4) === 0) return [one, draw.pick(VALUES)];
  return typeof one === 'string' ? Buffer.from(draw.mutated(Buffer.from(one))).toString('latin1') : one;
}

describe('a configuration', () => {
  const dir = mkdtempSync(join(tmpdir(), 'wanmark-fuzz-'));
  after(() => rmSync(dir, { recursive: true }));

  it('of a file', async () => {
    const file = join(dir, 'wanmark.yaml');
    await fuzz(async (draw) => {
      writeFileSync(file, draw.mutated(Buffer.from(FILE)));
      await takesOrRefuses(async () => parseConfig(await readConfigFile(file)));
    });
  });

  it('of flags', async () => {
    await fuzz(async (draw) => {
      const names = Array.from({ length: 1 + draw.below(4) }, () => draw.pick(Object.keys(OPTIONS)));
      const wan = draw.below(2) === 0 ? {} : { wan: ['a,dev=eth1,via=192.0.2.1', 'b,dev=eth2,weight=2'] };
      const raw = { ...wan, ...Object.fromEntries(names.map((name) => [name, value(draw)])) };
      await takesOrRefuses(() => parseConfig(raw));
    });
  });

  it('of a change while it runs', async () => {
    await fuzz(async (draw) => {
      const keys = ['wan', 'weight', 'state', 'constructor', '__proto__'];
      const change =
        draw.below(4) === 0
          ? value(draw)
          : { [draw.pick(keys)]: value(draw), [draw.pick(keys)]: value(draw) };
      await takesOrRefuses(() => parseChange(change));
    });
  });
});
