import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { parseConfig } from '#wanmark/config/config.js';
import {
  BACKEND_KEYS,
  CHECK_KEYS,
  type KeyTable,
  POLICY_KEYS,
  RULE_KEYS,
  SERVICE_KEYS,
  SET_KEYS,
  WAN_KEYS,
} from '#wanmark/config/keys.js';
import { choicesOf } from '#wanmark/config/option.js';
import { OPTIONS, type RawConfig } from '#wanmark/config/options.js';
import { UsageError } from '#wanmark/errors.js';
import { blocks, PAGES, ROOT, readPage } from '../../docs/pages.js';
import { schemaText } from '../../docs/schema.js';

const PATH = 'docs/wanmark.schema.json';
const schema = JSON.parse(schemaText());
const validate = new Ajv2020({ strictTypes: false }).compile(schema);

/** What is wrong with a configuration, by place. */
function wrong(config: unknown): readonly string[] {
  validate(config);
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

function files(folder: string): readonly string[] {
  return readdirSync(ROOT + folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => `${folder}/${name}`);
}

/** All the configurations in the tree: each text by a name for it. */
const configurations = [
  ...['examples', 'test/corpus', 'test/unit/import/fixtures']
    .flatMap(files)
    .map((path) => [path, readPage(path)] as const),
  ...PAGES.flatMap((page) =>
    blocks(readPage(page), 'yaml').map((text, i) => [`${page}, block ${i + 1}`, text] as const),
  ).filter(([, text]) => Object.keys((parse(text) as object | null) ?? {}).some((key) => key in OPTIONS)),
];

describe(PATH, () => {
  it('is what `npm run docs` writes', () => assert.equal(readPage(PATH), schemaText()));

  it('is that of all options and of all keys', () => {
    assert.deepEqual(Object.keys(schema.properties), Object.keys(OPTIONS));
    const tables = {
      wan: WAN_KEYS,
      policy: POLICY_KEYS,
      rule: RULE_KEYS,
      set: SET_KEYS,
      service: SERVICE_KEYS,
      backend: BACKEND_KEYS,
      check: CHECK_KEYS,
    };
    for (const [name, table] of Object.entries(tables))
      assert.deepEqual(Object.keys(schema.$defs[name].properties), Object.keys(table), name);
  });

  it('is looked for in enough configurations', () => assert.ok(configurations.length > 15));
  for (const [name, text] of configurations)
    it(`takes ${name}`, () => assert.deepEqual(wrong(parse(text)), []));

  it('takes items as flags have them, and one that is no list', () => {
    assert.deepEqual(wrong({ wan: 'fibre,dev=eth1', check: ['all=ping,to=192.0.2.1'], sticky: 'src' }), []);
    assert.deepEqual(wrong({ wan: { name: 'fibre', dev: 'eth1', weight: '5' } }), []);
    assert.deepEqual(wrong({ rule: [{ policy: 'fibre', family: 4, time: ['sat', 'sun'], own: 'yes' }] }), []);
    assert.deepEqual(wrong({ backend: [{ name: 'web', to: '10.0.0.2' }] }), []);
  });

  const wan = { name: 'fibre', dev: 'eth1' };
  for (const [what, config, place] of [
    ['an unknown option', { strategi: 'weighted' }, / must NOT have additional properties/],
    ['an unknown key', { wan: [{ ...wan, weigt: 5 }] }, /^\/wan\/0 must NOT have additional properties/],
    ['a missing key', { wan: [{ dev: 'eth1' }] }, /^\/wan\/0 must have required property 'name'/],
    ['another value', { engine: 'kernal' }, /^\/engine must be equal to one of the allowed values/],
    ['a number that is too large', { queues: 17 }, /^\/queues must be <= 16/],
    [
      'a weight that is too large',
      { wan: [{ ...wan, weight: 65_536 }] },
      /^\/wan\/0\/weight must be <= 65535/,
    ],
    ['a word for a number', { wan: [{ ...wan, weight: 'many' }] }, /^\/wan\/0\/weight must match pattern/],
    ['a number for a switch', { 'no-repair': 1 }, /^\/no-repair must be boolean/],
    ['a list for one value', { mask: ['0xff'] }, /^\/mask must be string,number/],
    [
      'an unknown kind',
      { check: [{ wan: 'all', check: 'pong' }] },
      /^\/check\/0\/check must be equal to one/,
    ],
    [
      'a backend of no service',
      { backend: [{ to: '10.0.0.2' }] },
      /^\/backend\/0 must have required property/,
    ],
    [
      'a member without its WAN',
      { policy: [{ name: 'a', use: [{ tier: 2 }] }] },
      /^\/policy\/0\/use\/0 must have/,
    ],
  ] as const) {
    it(`refuses ${what}, at its place`, () =>
      assert.ok(
        wrong(config).some((one) => place.test(one)),
        `${wrong(config)}`,
      ));
  }
});

/** Whether the program takes a configuration. */
function isTaken(raw: RawConfig): boolean {
  try {
    parseConfig(raw);
    return true;
  } catch (error) {
    assert.ok(error instanceof UsageError);
    return false;
  }
}

describe('what the tables say of values is what the program takes', () => {
  const wan = { name: 'fibre', dev: 'eth1' };
  const whole = {
    wan: [wan, { name: 'dsl', dev: 'eth2' }],
    service: [{ name: 'web', listen: '192.0.2.1:80/tcp' }],
    backend: [
      { service: 'web', to: '10.0.0.2' },
      { service: 'web', to: '10.0.0.3' },
    ],
  };

  for (const [name, option] of Object.entries(OPTIONS)) {
    // The kernel's engine takes more values of `per`, no number of a queue can be that of another, and engine `ahead` writes into
    // rules of nft, for WANs alone.
    const base: RawConfig = {
      ...whole,
      ...(name === 'engine' && { firewall: 'nft', service: undefined, backend: undefined }),
      ...(name === 'per' && { engine: 'kernel' }),
      ...(name === 'service-queue' && { 'queue-num': 9 }),
    };
    const { range } = option;
    if (range !== undefined)
      it(`of ${name}: a range`, () => {
        const [low, high] = range;
        const taken = [low - 1, low, high, high + 1].map((value) =>
          isTaken({ ...base, ...(name === 'queue-num' && { 'service-queue': 9 }), [name]: value }),
        );
        assert.deepEqual(taken, [false, true, true, false]);
      });
    const choices = choicesOf(option);
    if (choices !== undefined)
      it(`of ${name}: a choice`, () => {
        const taken = [...choices, 'other'].map((value) => isTaken({ ...base, [name]: value }));
        assert.deepEqual(taken, [...choices.map(() => true), false]);
      });
  }

  const check = { wan: 'all', check: 'ping', to: '192.0.2.1' };
  for (const [name, table, config] of [
    ['wan', WAN_KEYS, (key: object) => ({ ...whole, wan: [{ ...wan, ...key }, whole.wan[1]] })],
    [
      'backend',
      BACKEND_KEYS,
      (key: object) => ({ ...whole, backend: [{ ...whole.backend[0], ...key }, whole.backend[1]] }),
    ],
    ['check', CHECK_KEYS, (key: object) => ({ ...whole, check: [{ ...check, ...key }] })],
  ] as const satisfies readonly (readonly [string, KeyTable, (key: object) => RawConfig])[]) {
    for (const [key, { range, isRequired }] of Object.entries(table as KeyTable)) {
      if (isRequired)
        it(`of ${name}: ${key} is needed`, () => assert.ok(!isTaken(config({ [key]: undefined }))));
      // The mask bounds marks, and the number of targets bounds a quorum.
      if (range === undefined || key === 'mark' || key === 'quorum') continue;
      it(`of ${name}: the range of ${key}`, () => {
        const [low, high] = range;
        const step = Number.isInteger(low) ? 1 : 0.01;
        const taken = [low - step, low, high, high + step].map((value) => isTaken(config({ [key]: value })));
        assert.deepEqual(taken, [false, true, true, false]);
      });
    }
  }
});
