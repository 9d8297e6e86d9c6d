import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { planSteps } from '#wanmark/plan/diff/steps.js';

/** The steps from routes to routes. */
function steps(have: readonly string[], want: readonly string[]) {
  const lists = new Map([['routes6', have]]);
  return Object.fromEntries(planSteps({ lists, asked: new Map() }, new Map([['routes6', want]])));
}

describe('planSteps', () => {
  it('does not take away the route that it replaces', () => {
    const lines = [
      'unreachable default table 1002',
      'default dev w2 table 1002',
      'default via fe80::1 dev w2 table 1002',
      'default via fe80::1 dev w2 onlink table 1002',
    ];
    for (const have of lines) {
      for (const want of lines.filter((line) => line !== have)) {
        assert.deepEqual(steps([have], [want]), { '6.add': [`route replace ${want} protocol 119`] });
      }
    }
  });

  it('takes away the route of a table that gets none', () => {
    const [one, two] = ['default dev w2 table 1002', 'default dev w2 table 1003'] as const;
    assert.deepEqual(steps([one, two], [one]), { '6.drop': [`route del ${two} protocol 119`] });
    assert.deepEqual(steps([one], [two]), {
      '6.add': [`route replace ${two} protocol 119`],
      '6.drop': [`route del ${one} protocol 119`],
    });
  });
});
