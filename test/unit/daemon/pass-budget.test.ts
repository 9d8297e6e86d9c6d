import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PassBudget } from '#wanmark/daemon/pass-budget.js';

describe('PassBudget', () => {
  it('lets some passes follow each other, and then they take a fortieth of the time', () => {
    let now = 0;
    const budget = new PassBudget(() => now);
    const rests = Array.from({ length: 8 }, () => {
      now += 200;
      const rest = budget.spent(200);
      now += rest;
      return rest;
    });
    assert.deepEqual(rests, [0, 0, 0, 0, 0, 7800, 7800, 7800]);
    assert.equal(budget.spent(5000), 30_000, 'half a minute at most');
    now += 60_000;
    assert.equal(budget.spent(200), 0);
  });
});
