import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Budget } from '#wanmark/wan/inquiry/budget.js';

const HOUR = 3_600_000;

describe('Budget', () => {
  it('gives one network 400 probes an hour, and all together 1000', () => {
    const budget = new Budget();
    const spent = (network: string, now: number) => {
      let n = 0;
      while (budget.spend(network, now)) n++;
      return n;
    };
    assert.deepEqual(
      ['a', 'a', 'b', 'c', 'd'].map((one) => spent(one, 0)),
      [400, 0, 400, 200, 0],
    );
    assert.equal(spent('a', HOUR - 1), 0);
    assert.equal(spent('a', HOUR), 400, 'an hour later');
  });

  it('counts each probe for an hour of its own', () => {
    const budget = new Budget();
    for (let i = 0; i < 400; i++) assert.ok(budget.spend('a', i < 100 ? 0 : HOUR / 2));
    assert.equal(budget.spend('a', HOUR - 1), false);
    let n = 0;
    while (budget.spend('a', HOUR)) n++;
    assert.equal(n, 100);
  });
});
