// Several WANs through random sequences of what can happen to them: what must hold at any moment.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FAMILIES, type Family } from '#wanmark/core/family.js';
import { splitTargetId, type TargetId, targetId } from '#wanmark/core/target.js';
import { carries, type Wan, wanTarget } from '#wanmark/core/wan.js';
import type { Verdict } from '#wanmark/wan/check-health.js';
import { Health } from '#wanmark/wan/health.js';
import { seeded } from '../../helpers/random.js';
import { flow, poolOf, statesOf, wan } from '../flows.js';

/** Worlds for each number of WANs. Each begins without hold-downs, which soon last longer than anything else. */
const WORLDS = 15;
const STEPS = 100;
const [FEWEST, MOST] = [2, 8];
const LONGEST_UP_AFTER_MS = 30_000;
const BRIEF_MS = 2000;
const MOST_FORGIVEN = 3;
const WAY_SOURCES = ['link', 'rules'];

/** What the test knows of a target besides what the health says. */
interface Known {
  readonly verdicts: Map<string, Verdict>;
  /** How often it went down, and when last. */
  outages: number;
  downAt: number;
  /** Whether no other source than the device and its way called it down in this outage. */
  onlyWay: boolean;
  /** Since when all sources call it up, and no check is in doubt. */
  goodSince: number | undefined;
}

/** The longest hold-down after so many outages: 0, 10, 20, ... 300 s. */
const longestHold = (outages: number) => (outages < 2 ? 0 : Math.min(300_000, 10_000 * 2 ** (outages - 2)));

/** WANs of three tiers and weights 0 to 2, every third for IPv4 only. */
class World {
  now = 0;
  readonly below: (n: number) => number;
  readonly upAfterMs: number;
  readonly wans: readonly Wan[];
  readonly states;
  readonly health: Health;
  readonly known = new Map<TargetId, Known>();
  readonly #pool;

  constructor(count: number, seed: number) {
    const random = seeded(seed);
    const below = (n: number) => Math.floor(n * random());
    this.below = below;
    this.upAfterMs = below(2) * LONGEST_UP_AFTER_MS;
    this.wans = Array.from({ length: count }, (_, i) =>
      wan(i + 1, { tier: 1 + below(3), weight: below(3), ...(i % 3 === 2 ? { via6: undefined } : {}) }),
    );
    this.states = statesOf(this.wans, 10_000, () => this.now);
    this.health = new Health({
      upAfterMs: this.upAfterMs,
      taking: (family) => this.taking(family).map(({ name }) => name),
      onState: ({ wan: name, family, ...state }) => {
        const id = targetId(name, family);
        const turned = this.states.found(id, state) !== undefined;
        if (turned && !state.up) this.#wentDown(id);
      },
    });
    this.#pool = poolOf(this.wans, { pick: (_flow, all) => all[below(all.length)]! }, this.states);
    for (const id of this.wans.flatMap(({ name, ...one }) =>
      wanTarget({ name, ...one }).families.map((family) => targetId(name, family)),
    )) {
      const verdicts = new Map<string, Verdict>();
      this.known.set(id, { verdicts, outages: 0, downAt: 0, onlyWay: true, goodSince: 0 });
    }
  }

  taking(family: Family): readonly Wan[] {
    return this.wans.filter((one) => this.states.weight(one.name, one.weight) > 0 && carries(one, family));
  }

  /** Lets a source say something. */
  tell(id: TargetId, source: string, verdict: Verdict | undefined): void {
    this.#note(id, source, verdict);
    const { name, family } = splitTargetId(id);
    this.health.report(name, family, source, verdict, this.now);
  }

  /** Takes back what a source says, as `wanmark set state=auto` does. */
  release(id: TargetId, source: string): void {
    this.#note(id, source, undefined);
    const { name, family } = splitTargetId(id);
    this.health.release(name, family, source, this.now);
  }

  /** Lets time pass, with a timer at each moment that the health is waiting for. */
  pass(ms: number): void {
    const end = this.now + ms;
    for (let due = this.health.nextDue(); due !== undefined && due <= end; due = this.health.nextDue()) {
      this.now = Math.max(this.now, due);
      this.health.tick(this.now);
      assert.ok((this.health.nextDue() ?? Number.POSITIVE_INFINITY) > this.now, 'a wait has ended');
    }
    this.now = end;
  }

  check(): void {
    for (const [id, known] of this.known) this.#checkTarget(id, known);
    for (const family of FAMILIES) this.#checkFamily(family);
  }

  #note(id: TargetId, source: string, verdict: Verdict | undefined): void {
    const known = this.known.get(id)!;
    if (verdict === undefined) known.verdicts.delete(source);
    else known.verdicts.set(source, verdict);
    if (verdict?.up === false && !WAY_SOURCES.includes(source)) known.onlyWay = false;
    const isGood = [...known.verdicts.values()].every(({ up, shaky }) => up && !shaky);
    known.goodSince = isGood ? (known.goodSince ?? this.now) : undefined;
  }

  #wentDown(id: TargetId): void {
    const known = this.known.get(id)!;
    known.outages++;
    known.downAt = this.now;
    known.onlyWay = [...known.verdicts].every(([source, { up }]) => up || WAY_SOURCES.includes(source));
  }

  #checkTarget(id: TargetId, { verdicts, outages, downAt, onlyWay, goodSince }: Known): void {
    const { name, family } = splitTargetId(id);
    const { since: _judgedSince, ...judged } = this.health.state(name, family);
    const { since: _since, ...state } = this.states.state(id);
    assert.deepEqual(state, judged, id);
    assert.equal(this.states.down.has(id), !state.up, id);
    assert.ok(state.up || !this.states.suspected.has(id), `${id} is down, not suspected`);
    assert.ok(state.up || !this.states.takes(id), id);
    if ([...verdicts.values()].some(({ up }) => !up)) assert.equal(state.up, false, id);
    assert.ok(state.up || !state.brief || this.now < downAt + BRIEF_MS, `${id} is not away briefly`);
    if (goodSince === undefined) return;
    const waitsUntil = Math.max(goodSince + this.upAfterMs, downAt + BRIEF_MS + longestHold(outages));
    assert.ok(state.up || this.now < waitsUntil, `${id} is out longer than its evidence`);
    const others = this.taking(family).filter((one) => one.name !== name);
    const isAlone = others.every((one) => this.states.down.has(targetId(one.name, family)));
    assert.ok(state.up || !isAlone, `${id} is out while nobody else works`);
    const isBrief = onlyWay && outages <= MOST_FORGIVEN && goodSince < downAt + BRIEF_MS;
    assert.ok(state.up || !isBrief, `${id} is out after a brief outage`);
  }

  #checkFamily(family: Family): void {
    const takes = this.taking(family).filter((one) => this.states.takes(targetId(one.name, family)));
    const trusted = takes.filter((one) => !this.states.suspected.has(targetId(one.name, family)));
    const able = trusted.length > 0 ? trusted : takes;
    const tier = Math.min(...able.map((one) => one.tier));
    const expected = able.filter((one) => one.tier === tier).map(({ name }) => name);
    const candidates = this.#pool.candidates(family).map(({ target }) => target.name);
    assert.deepEqual(candidates, expected, `candidates of IPv${family}`);
    const chosen = this.#pool.select(flow({ family }))?.target.name;
    assert.equal(chosen !== undefined, expected.length > 0);
    assert.ok(chosen === undefined || expected.includes(chosen));
    const waiting = this.taking(family).map((one) => targetId(one.name, family));
    const isAdmitted = (id: TargetId) => this.states.takes(id) || this.states.down.has(id);
    if (!waiting.every(isAdmitted)) return;
    const works = waiting.some((id) => this.known.get(id)!.goodSince !== undefined);
    assert.ok(chosen !== undefined || !works, `nobody is chosen for IPv${family} while somebody works`);
  }
}

type Step = (world: World, id: TargetId) => void;

/** A step in which a source calls a target up or down, or says nothing. */
function says(source: string, more: (world: World, up: boolean) => Partial<Verdict> = () => ({})): Step {
  return (world, id) => {
    const up = world.below(3) > 0;
    const verdict = { up, reason: `${source} says so`, ...more(world, up) };
    world.tell(id, source, world.below(6) === 0 ? undefined : verdict);
  };
}

const inDoubt = (world: World, up: boolean) => (up && world.below(4) === 0 ? { shaky: true as const } : {});

/** What can happen to a target. */
const HAPPENINGS: readonly Step[] = [
  says('link'),
  says('link'),
  says('rules'),
  says('check 1', inDoubt),
  says('check 2', inDoubt),
  says('asked'),
  (world, id) => world.tell(id, 'set', { up: false, reason: 'set down by hand', wished: true }),
  (world, id) => world.release(id, 'set'),
  (world, id) => {
    const isUp = world.states.state(id).up && world.below(3) > 0;
    world.states.suspect(id, isUp ? { since: world.now, reason: 'it does not answer' } : undefined);
  },
  (world, id) => {
    world.states.setWeight(splitTargetId(id).name, world.below(3));
    world.health.tick(world.now);
  },
];
/** How long the pauses between two steps are at most: from several within a brief outage to longer than any hold. */
const PAUSES_MS = [300, 300, 4000, 40_000, 400_000];

function run(world: World): void {
  const { below } = world;
  const ids = [...world.known.keys()];
  world.pass(below(PAUSES_MS[below(PAUSES_MS.length)]!));
  HAPPENINGS[below(HAPPENINGS.length)]!(world, ids[below(ids.length)]!);
  // A WAN that is up takes connections when its routes are there, which may take a while.
  if (below(4) > 0) for (const id of ids) world.states.admit(id);
}

describe('the states of several WANs', () => {
  for (let count = FEWEST; count <= MOST; count++) {
    it(`hold what they promise through random changes of ${count} WANs`, () => {
      for (let seed = count; seed < count + WORLDS * MOST; seed += MOST) {
        const world = new World(count, seed);
        for (let step = 0; step < STEPS; step++) {
          try {
            run(world);
            world.check();
          } catch (error) {
            throw new Error(`seed ${seed}, step ${step}: ${(error as Error).message}`, { cause: error });
          }
        }
      }
    });
  }
});
