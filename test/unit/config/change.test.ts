import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { changeOfWords, parseChange } from '#wanmark/config/change.js';

describe('what wanmark set is given', () => {
  for (const [words, change] of [
    [['weight=0'], { weight: 0 }],
    [['weight=65535', 'state=auto'], { weight: 65535, state: 'auto' }],
    [['state=down'], { state: 'down' }],
    [['weight=auto'], { weight: 'auto' }],
  ] as const) {
    it(words.join(' '), () => assert.deepEqual(changeOfWords('fibre', words), { wan: 'fibre', ...change }));
  }

  for (const [words, complaint] of [
    [[], /^nothing to set for fibre; add for example weight=0 or state=down$/],
    [['weight'], /^"weight" is not key=value; use for example weight=0 or state=down$/],
    [['wieght=5'], /^unknown key "wieght"; did you mean "weight"\?$/],
    [['wan=dsl'], /^unknown key "wan"/],
    [['__proto__=5'], /^unknown key "__proto__"; use one of weight, state$/],
    [['weight=1', 'weight=2'], /^weight is given twice; give it once$/],
    [['weight='], /^weight "" must be a whole number, 0 to 65535, or auto$/],
    [['weight=much'], /^weight "much" must be a whole number, 0 to 65535, or auto$/],
    [['weight=1.5'], /^weight "1.5" must be/],
    [['weight=1e3'], /^weight "1e3" must be/],
    [['weight=-1'], /^weight "-1" must be a whole number, 0 to 65535$/],
    [['weight=65536'], /^weight "65536" must be/],
    [['state=up'], /^state "up" must be down or auto$/],
    [['weight=5', 'state='], /^state "" must be down or auto$/],
  ] as const) {
    it(`is refused: ${words.join(' ') || 'nothing'}`, () =>
      assert.throws(() => changeOfWords('fibre', words), { code: 'USAGE', message: complaint }));
  }

  for (const [raw, complaint] of [
    [null, /must be an object/],
    [[], /must be an object/],
    ['fibre', /must be an object/],
    [{ weight: 5 }, /^no WAN is named/],
    [{ wan: 5, weight: 5 }, /^no WAN is named/],
    [{ wan: 'fibre' }, /^nothing to set/],
    [{ wan: 'fibre', weight: null }, /^weight "null" must be/],
    [{ wan: 'fibre', weight: [5] }, /^weight "\[5\]" must be/],
    [{ wan: 'fibre', weight: 0.5 }, /^weight "0.5" must be/],
    [{ wan: 'fibre', state: true }, /^state "true" must be/],
    [{ wan: 'fibre', weight: 5, tier: 2 }, /^unknown key "tier"/],
  ] as const) {
    it(`is refused as JSON: ${JSON.stringify(raw)}`, () =>
      assert.throws(() => parseChange(raw), { code: 'USAGE', message: complaint }));
  }

  it('may be a number in JSON', () =>
    assert.deepEqual(parseChange({ wan: 'fibre', weight: 5 }), { wan: 'fibre', weight: 5 }));
});
