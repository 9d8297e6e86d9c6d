import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MarkField } from '#wanmark/core/mark.js';
import { blocksWithout } from '#wanmark/core/mark-blocks.js';

describe('blocksWithout', () => {
  for (const mask of [0x1, 0xff00, 0x3f00_0000]) {
    const field = new MarkField(mask);
    for (const without of [[], [1], [1, 2, 3], [field.max], [0, 1]]) {
      const left = without.filter((number) => number <= field.max);
      it(`has each number of 0x${mask.toString(16)} once but ${left.join() || 'none'}`, () => {
        const blocks = blocksWithout(left, field);
        for (let number = 0; number <= field.max; number++) {
          const mark = field.encode(number);
          const found = blocks.filter((one) => (mark & one.mask) >>> 0 === one.mark);
          assert.equal(found.length, left.includes(number) ? 0 : 1, `number ${number}`);
        }
        assert.ok(blocks.every((one) => one.mask !== 0));
      });
    }
  }

  it('asks twice for a whole field, also for one of all 32 bits', () => {
    assert.deepEqual(blocksWithout([], new MarkField(0xffff_ffff)), [
      { mark: 0, mask: 0x8000_0000 },
      { mark: 0x8000_0000, mask: 0x8000_0000 },
    ]);
  });
});
