import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { loadStrategy } from '#wanmark/config/strategy.js';

const CONTEXT = { random: () => 0, now: () => 0, connections: () => 0 };
const FIRST = 'export default function first() { return { pick: (_flow, wans) => wans[0] }; }\n';

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
