import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { builtIn, loadStrategy } from '#wanmark/config/strategy.js';

const CONTEXT = { random: () => 0, now: () => 0, connections: () => 0 };
const FIRST = 'export default function first() { return { pick: (_flow, wans) => wans[0] }; }\n';

describe('hash:FIELDS', () => {
  it('is any list of fields', async () => {
    for (const name of ['hash:src', 'hash:src,sport', 'hash:dport+proto', 'hash:proto,dst,dport,src,sport']) {
      const loaded = await loadStrategy(name, CONTEXT);
      assert.deepEqual([loaded.name, loaded.needs], [name, []]);
    }
  });

  it('is refused in one line with another word, with none and with one twice', () => {
    for (const [name, message] of [
      ['hash:src,sprt', 'strategy "hash:src,sprt": "sprt" is not a field of a packet; did you mean "sport"?'],
      ['hash:', 'strategy "hash:": "" is not a field of a packet; did you mean "src"?'],
      ['hash:src,src', 'strategy "hash:src,src" has src twice; give it once'],
      ['hash', 'unknown strategy "hash"; did you mean "hash:src,sport"?'],
    ] as const) {
      assert.throws(() => builtIn(name), { code: 'USAGE', message });
    }
  });

  it('is checked with the configuration, also of a service in a flag', () => {
    const wan = 'a,dev=eth1,via=192.0.2.1';
    assert.throws(() => parseConfig({ wan, strategy: 'hash:srcport' }), {
      code: 'USAGE',
      message: /"srcport"/,
    });
    const backend = 'web,to=10.0.0.2';
    const service = (strategy: string) =>
      parseConfig({ service: `web,strategy=${strategy},listen=192.0.2.1:80/tcp`, backend }).services[0]!
        .strategy;
    assert.equal(service('hash:src,sport'), 'hash:src+sport');
    assert.equal(service('hash:src+dst'), 'hash:src+dst');
    assert.throws(() => service('hash:src,what'), {
      code: 'USAGE',
      message:
        /^service "web": strategy "hash:src\+what": "what" is not a field of a packet; use one of src, /,
    });
  });
});

describe('what a strategy needs', () => {
  const dir = mkdtempSync(join(tmpdir(), 'wanmark-strategy-'));
  after(() => rmSync(dir, { recursive: true }));
  let files = 0;
  /** Writes each file under a name of its own, since a module is loaded only once. */
  const load = (text: string) => {
    const file = join(dir, `${files++}.mjs`);
    writeFileSync(file, text);
    return loadStrategy(file, CONTEXT);
  };

  it('is known of a built-in, by its short name too', async () => {
    assert.deepEqual((await loadStrategy('lc', CONTEXT)).needs, ['connections']);
    assert.deepEqual((await loadStrategy('rr', CONTEXT)).needs, []);
  });

  for (const [how, text, needs] of [
    ['nothing where nothing is said', FIRST, []],
    ['an export of the file', `${FIRST}export const needs = ['connections'];`, ['connections']],
    ['a property of the function', `${FIRST}first.needs = ['connections'];`, ['connections']],
  ] as const) {
    it(`is ${how}`, async () => {
      const loaded = await load(text);
      assert.deepEqual(loaded.needs, needs);
      assert.equal(typeof loaded.strategy.pick, 'function');
    });
  }

  it('is refused when it does not exist', async () => {
    for (const [needs, message] of [
      ["['clock']", /: it needs "clock", which does not exist; there is "connections"$/],
      ["'connections'", /: needs must be a list, of "connections"$/],
    ] as const) {
      await assert.rejects(load(`${FIRST}export const needs = ${needs};`), { code: 'USAGE', message });
    }
  });
});

describe('the form that a strategy file declares', () => {
  const dir = mkdtempSync(join(tmpdir(), 'wanmark-form-'));
  after(() => rmSync(dir, { recursive: true }));
  let files = 0;
  const load = (forms: string) => {
    const file = join(dir, `${files++}.mjs`);
    writeFileSync(file, `export default () => ({ pick: (_flow, wans) => wans[0], ${forms} });`);
    return loadStrategy(file, CONTEXT);
  };

  it('may be a sequence, a table or none', async () => {
    assert.equal((await load('')).strategy.sequence, undefined);
    assert.deepEqual((await load('sequence: { turns: () => [] }')).strategy.sequence!.turns([]), []);
    assert.deepEqual((await load("table: { fields: ['src'], at: () => 0 }")).strategy.table!.fields, ['src']);
  });

  for (const [forms, message] of [
    ["sequence: { turns() {} }, table: { fields: ['src'], at() {} }", /declares a sequence and a table/],
    ['sequence: {}', /: its sequence must have a function turns\(wans\)$/],
    ['sequence: null', /: its sequence must have a function turns\(wans\)$/],
    [
      'sequence: { turns() {}, period: 3 }',
      /: the period of its sequence must be a function period\(wans\)$/,
    ],
    ["table: { fields: ['src'] }", /: its table must have a function at\(place, wans, places\)$/],
    ['table: { fields: [], at() {} }', /: the fields of its table must be a list, of "src", "sport"/],
    ["table: { fields: ['source'], at() {} }", /: "source" is not a field of a packet; did you mean "src"/],
  ] as const) {
    it(`is refused when it is ${forms}`, async () => {
      await assert.rejects(load(forms), { code: 'USAGE', message });
    });
  }
});
