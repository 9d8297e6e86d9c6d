import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LoneFlows } from '#wanmark/daemon/lone-flows.js';
import { flow } from '../flows.js';

describe('connections that no other WAN could take', () => {
  const tuple = (sport: number) => ({ ...flow({ sport }), family: 4 as const });

  it('are known for half a minute at least, and not for ever', () => {
    let now = 0;
    const flows = new LoneFlows(() => now);
    flows.add(flow({ sport: 1 }));
    assert.ok(flows.has(tuple(1)) && !flows.has(tuple(2)));
    now = 40_000;
    assert.ok(flows.has(tuple(1)));
    flows.add(flow({ sport: 2 }));
    now = 80_000;
    assert.ok(!flows.has(tuple(1)) && flows.has(tuple(2)));
    now = 300_000;
    assert.ok(!flows.has(tuple(2)));
  });

  it('are not more than a few thousand', () => {
    const flows = new LoneFlows(() => 0);
    for (let sport = 1; sport <= 10_000; sport++) flows.add(flow({ sport }));
    assert.ok(!flows.has(tuple(1)) && flows.has(tuple(9000)) && flows.has(tuple(10_000)));
  });
});
