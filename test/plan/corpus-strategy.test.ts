/** The strategy of a file of the corpus: what a test with connections cannot see is which third a pair belongs to. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadStrategy } from '#wanmark/config/strategy.js';
import type { Candidate } from '#wanmark/core/candidate.js';
import type { Flow } from '#wanmark/core/flow.js';
import { CORPUS } from '../corpus/fixture.js';

const LINES = ['ISP1', 'ISP2', 'ISP3'].map((name) => ({ name }) as Candidate);
/** The lines that take over from each, in their order; those of one rank share. */
const BACKUPS = { ISP1: ['ISP2+ISP3'], ISP2: ['ISP1', 'ISP3'], ISP3: ['ISP1', 'ISP2'] } as const;

describe('35.pcc.mjs', () => {
  it('gives each line a third of the pairs, and each third its own backups', async () => {
    const context = { random: () => 0, now: () => 0, connections: () => 0 };
    const { strategy } = await loadStrategy(`${CORPUS}/35.pcc.mjs`, context);
    /** How many of the pairs that are `home`'s go where, while some lines are away. */
    const seen = new Map<string, number>();
    for (let pair = 0; pair < 3000; pair++) {
      const flow: Partial<Flow> = {
        srcHash: Math.imul(pair, 0x9e3779b1) >>> 0,
        dstHash: Math.imul(pair % 50, 0x85ebca6b) >>> 0,
      };
      const by = (away: readonly string[]) => {
        const wans = LINES.filter(({ name }) => !away.includes(name));
        const pick = strategy.pick(flow as Flow, wans);
        assert.equal(strategy.pick(flow as Flow, wans), pick, 'a pair stays');
        return pick.name;
      };
      const home = by([]) as keyof typeof BACKUPS;
      const next = by([home]);
      const last = by([home, next]);
      for (const way of [home, `${home} ${next}`, `${home} ${next} ${last}`])
        seen.set(way, (seen.get(way) ?? 0) + 1);
    }
    for (const [home, backups] of Object.entries(BACKUPS)) {
      const mine = seen.get(home) ?? 0;
      assert.ok(mine > 800 && mine < 1200, `${home}: ${mine}`);
      const next = backups[0].split('+');
      assert.equal(
        next.reduce((sum, name) => sum + (seen.get(`${home} ${name}`) ?? 0), 0),
        mine,
      );
      for (const name of next) assert.ok((seen.get(`${home} ${name}`) ?? 0) > mine / next.length / 2, name);
    }
    assert.equal(seen.get('ISP2 ISP1 ISP3'), seen.get('ISP2'));
    assert.equal(seen.get('ISP3 ISP1 ISP2'), seen.get('ISP3'));
  });
});
