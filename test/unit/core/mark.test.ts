import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hex, MarkField } from '#wanmark/core/mark.js';
import { UsageError } from '#wanmark/errors.js';

describe('MarkField', () => {
  for (const [mask, shift, max] of [
    [0xff, 0, 255],
    [0xff00, 8, 255],
    [0x3f00, 8, 63],
    [0x80000000, 31, 1],
    [0xffffffff, 0, 0xffffffff],
    [0xf0000000, 28, 15],
  ] as const) {
    it(`holds 1..${max} in ${hex(mask)}`, () => {
      const field = new MarkField(mask);
      assert.deepEqual([field.shift, field.max], [shift, max]);
      for (const n of [1, max]) {
        assert.equal(field.decode(field.encode(n)), n);
        assert.equal((field.encode(n) & ~mask) >>> 0, 0, 'no bit outside the mask');
      }
    });
  }

  it('reads its own bits among foreign ones', () => {
    assert.equal(new MarkField(0xff00).decode(0xabcd_02ef), 2);
  });

  it('prints value and mask as iptables takes them', () => {
    assert.equal(new MarkField(0xff00).format(2), '0x200/0xff00');
    assert.equal(new MarkField(0x80000000).format(1), '0x80000000/0x80000000');
  });

  for (const [mask, complaint] of [
    [0, /mask 0 holds no mark/],
    [0xf0f, /0xf0f has holes/],
    [0x80000001, /0x80000001 has holes/],
    [2 ** 32, /is not a 32-bit number/],
    [-1, /is not a 32-bit number/],
    [1.5, /is not a 32-bit number/],
  ] as const) {
    it(`refuses ${mask}`, () => {
      assert.throws(
        () => new MarkField(mask),
        (error) => error instanceof UsageError && complaint.test(error.message),
      );
    });
  }
});
