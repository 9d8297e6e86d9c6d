// The states agree with the health's verdicts at any moment, whatever happens to several WANs.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FAMILIES, type Family } from '#wanmark/core/family.js';
import { targetId } from '#wanmark/core/target.js';
import { carries, type Wan, wanTarget } from '#wanmark/core/wan.js';
import { Health } from '#wanmark/wan/health.js';
import { flow, poolOf, statesOf, wan } from '../flows.js';

/** Worlds to run; each begins without hold-downs, which soon last longer than anything else. */
const WORLDS = 250;
const STEPS = 60;
const UP_AFTER_MS = 30_000;
const SOURCES = ['link', 'check 1', 'set'];

/** A generator that can be repeated (Lehmer, MINSTD). @returns a whole number below `n` */
function seeded(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (state * 48_271) % 0x7fff_ffff;
    return state % n;
  };
}

/** Two or three WANs of one or two tiers, one of them for IPv4 only, whose changes are admitted sooner or later. */
function world(seed: number) {
  const below = seeded(seed);
  const wans = Array.from({ length: 2 + below(2) }, (_, i) =>
    wan(i + 1, { tier: 1 + below(2), ...(i === 2 ? { via6: undefined } : {}) }),
  );
  const states = statesOf(wans);
  const taking = (family: Family) =>
    wans.filter((one) => states.weight(one.name, one.weight) > 0 && carries(one, family));
  const health = new Health(undefined, {
    upAfterMs: UP_AFTER_MS,
    taking: (family) => taking(family).map(({ name }) => name),
    onState: ({ wan: name, family, ...state }) => states.found(targetId(name, family), state),
  });
  const pool = poolOf(wans, { pick: (_flow, all) => all[below(all.length)]! }, states);
  return { below, wans, states, health, pool, taking };
}

type World = ReturnType<typeof world>;

/** A random event, as may happen at any time. */
function happen({ below, wans, states, health }: World, now: number): void {
  const one = wans[below(wans.length)]!;
  const family = wanTarget(one).families[below(wanTarget(one).families.length)]!;
  const source = SOURCES[below(SOURCES.length)]!;
  switch (below(12)) {
    case 0:
      states.setWeight(one.name, below(3));
      health.tick(now);
      break;
    case 1:
      health.release(one.name, family, source, now);
      break;
    case 2:
      health.report(one.name, family, source, undefined, now);
      break;
    case 3:
      states.admit(targetId(one.name, family));
      break;
    default: {
      const trial = below(5) === 0 ? { trial: true as const } : {};
      const shaky = below(5) === 0 ? { shaky: true as const } : {};
      // Without this hardly any WAN would ever be free of objections.
      const up = below(3) > 0;
      const verdict = { up, reason: `${source} says so`, ...(up ? shaky : trial), wished: source === 'set' };
      health.report(one.name, family, source, verdict, now);
    }
  }
}

function check({ wans, states, health, pool, taking }: World, when: string): void {
  const judged = (one: Wan, family: Family) => health.state(one.name, family);
  for (const family of FAMILIES) {
    for (const one of wans.filter((each) => carries(each, family))) {
      const id = targetId(one.name, family);
      const { since: _judgedSince, ...expected } = judged(one, family);
      const { since: _since, ...known } = states.state(id);
      assert.deepEqual(known, expected, `${when}: ${id}`);
      assert.equal(states.down.has(id), !expected.up, `${when}: ${id}`);
      assert.ok(expected.up || !states.takes(id), `${when}: ${id}`);
    }
    const able = taking(family).filter((one) => states.takes(targetId(one.name, family)));
    const tier = Math.min(...able.map((one) => one.tier));
    const candidates = able.filter((one) => one.tier === tier).map(({ name }) => name);
    assert.deepEqual(
      pool.candidates(family).map(({ target }) => target.name),
      candidates,
      when,
    );
    assert.equal(pool.select(flow({ family })) !== undefined, candidates.length > 0, when);
  }
}

describe('the states of several WANs', () => {
  it('follow the health through random changes, and pools follow them', () => {
    for (let seed = 1; seed <= WORLDS; seed++) {
      const one = world(seed);
      let now = 0;
      for (let step = 0; step < STEPS; step++) {
        const due = one.health.nextDue();
        now = due !== undefined && one.below(3) === 0 ? Math.max(now, due) : now + one.below(4000);
        one.health.tick(now);
        happen(one, now);
        check(one, `world ${seed}, step ${step}`);
      }
    }
  });
});
