import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseRoutes } from '#wanmark/system/rtnetlink/routes.js';
import { parseInSlices, slicesOf } from '#wanmark/system/rtnetlink/slices.js';
import { ROUTES4, ROUTES6 } from './dumps.js';

const parse = (family: 4 | 6) => (messages: Uint8Array) => parseRoutes(messages, { family });

describe('messages in parts', () => {
  it('are the same messages, whatever the size of a part', () => {
    for (const most of [1, 2, 3, 1000]) {
      const parts = slicesOf(ROUTES6, most);
      assert.deepEqual(parts.flatMap(parse(6)), parse(6)(ROUTES6), `parts of ${most}`);
      assert.ok(parts.every((part) => parse(6)(part).length <= most));
    }
  });

  it('end before one that is not whole', () => {
    const cut = ROUTES4.subarray(0, ROUTES4.length - 1);
    assert.deepEqual(slicesOf(cut, 2).flatMap(parse(4)), parse(4)(cut));
    assert.deepEqual(slicesOf(new Uint8Array(0), 2), []);
  });

  it('let the event loop go on in between', async () => {
    const many = Buffer.concat(Array.from({ length: 2000 }, () => ROUTES4));
    let turns = 0;
    const turn = () => {
      turns++;
      timer = setImmediate(turn);
    };
    let timer = setImmediate(turn);
    const routes = await parseInSlices(many, parse(4));
    clearImmediate(timer);
    assert.equal(routes.length, 2000 * parse(4)(ROUTES4).length);
    assert.ok(turns > 10, `${turns} turns`);
  });
});
