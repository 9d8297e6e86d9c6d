import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MarkField } from '#wanmark/core/mark.js';
import { blocksOf } from '#wanmark/core/mark-blocks.js';

describe('blocksOf', () => {
  for (const mask of [0x1, 0xff00, 0x3f00_0000]) {
    const field = new MarkField(mask);
    for (const numbers of [
      [],
      [0],
      [0, 1, 2, 3],
      [0, 2, 3],
      [field.max],
      Array.from({ length: 61 }, (_, i) => i),
    ]) {
      const given = numbers.filter((number) => number <= field.max);
      it(`has ${given.length} numbers of 0x${mask.toString(16)} once each, ${given[0]} first, and no other`, () => {
        const blocks = blocksOf(given, field);
        for (let number = 0; number <= field.max; number++) {
          const mark = field.encode(number);
          const found = blocks.filter((one) => (mark & one.mask) >>> 0 === one.mark);
          assert.equal(found.length, given.includes(number) ? 1 : 0, `number ${number}`);
        }
        assert.ok(blocks.every((one) => one.mask !== 0));
      });
    }
  }

  it('asks seldom where there are many numbers, also of a field of all 32 bits', () => {
    const numbers = Array.from({ length: 61 }, (_, i) => i);
    assert.equal(blocksOf(numbers, new MarkField(0xffff_ffff)).length, 5);
    assert.equal(blocksOf([0, 1, 2, 3], new MarkField(0x3)).length, 2);
  });
});
