import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import type { NeighbourGateway } from '#wanmark/system/gateways.js';
import type { CheckResult } from '#wanmark/wan/check/check.js';
import { Budget } from '#wanmark/wan/inquiry/budget.js';
import { Inquiry, type Ruling } from '#wanmark/wan/inquiry/inquiry.js';
import type { Question } from '#wanmark/wan/inquiry/question.js';
import { FakeClock } from '../fake-clock.js';

const GATEWAY: NeighbourGateway = { family: 4, address: '192.0.2.1', index: 3 };

const running: Inquiry[] = [];
afterEach(() => {
  for (const inquiry of running.splice(0)) inquiry.stop();
});

interface World {
  /** What a WAN answers to a target; undefined: silence. */
  answers: (wan: string, target: string) => Partial<CheckResult> | undefined;
  /** How long an answer takes. */
  readonly rttMs?: number;
  readonly targets?: readonly string[];
  readonly others?: readonly string[];
  readonly usualMs?: number;
  readonly mayFindDead?: boolean;
  /** Whether the gateway is a neighbour, and is silent. */
  readonly gateway?: { silent: boolean };
  /** Whether a question may be asked once more. */
  readonly spend?: (network: string, now: number) => boolean;
}

/** Begins an inquiry about WAN `a`, that is compared with `b`. Targets of the same first letter are of one network. */
function asked(world: World) {
  const clock = new FakeClock();
  const rulings: [at: number, kind: Ruling['kind'], asked?: string][] = [];
  const probes: [at: number, wan: string, target: string][] = [];
  const aborted: string[] = [];
  const gateways: string[] = [];
  const { rttMs = 20, targets = ['x1', 'y1', 'z1'], others = ['b'] } = world;
  const question = (target: string): Question => ({
    text: target,
    network: target[0]!,
    target,
    spend: () => world.spend?.(target[0]!, clock.now()) ?? true,
    check: (_target, { wan }, timeoutMs, signal) =>
      new Promise((resolve) => {
        probes.push([clock.now(), wan, target]);
        signal.addEventListener('abort', () => aborted.push(target));
        const answer = world.answers(wan, target);
        const result =
          answer === undefined ? { ok: false, why: 'timeout' } : { ok: true, rttMs, why: '', ...answer };
        clock.after(answer === undefined ? timeoutMs : (answer.rttMs ?? rttMs), () => resolve(result));
      }),
  });
  const inquiry = new Inquiry({
    wan: 'a',
    family: 4,
    others: () => others,
    questions: () => targets.map(question),
    path: (wan) => ({ wan, family: 4, mark: 1, device: undefined }),
    usualMs: world.usualMs ?? 500,
    mayFindDead: world.mayFindDead ?? true,
    gateway: () => (world.gateway === undefined ? undefined : GATEWAY),
    neighbours: {
      probe: (...probed) => gateways.push(probed.join(' ')),
      silent: () => (world.gateway?.silent ? [GATEWAY] : []),
    },
    clock,
    onRuling: (ruling) =>
      rulings.push([clock.now(), ruling.kind, ...('asked' in ruling ? [ruling.asked] : [])] as [
        number,
        Ruling['kind'],
      ]),
  });
  running.push(inquiry);
  const kinds = () => rulings.map(([, kind]) => kind);
  const by = (wan: string) => probes.filter((probe) => probe[1] === wan);
  return { clock, inquiry, rulings, kinds, probes, by, aborted, gateways };
}

/** `a` is silent and the others answer. */
const isSilent = (wan: string) => (wan === 'a' ? undefined : {});

describe('an inquiry', () => {
  it('asks several things by the WAN and by another one, at once and in parallel', () => {
    const { probes } = asked({ answers: isSilent });
    assert.deepEqual(probes, [
      [0, 'a', 'x1'],
      [0, 'a', 'y1'],
      [0, 'a', 'z1'],
      [0, 'b', 'x1'],
      [0, 'b', 'y1'],
      [0, 'b', 'z1'],
    ]);
  });

  it('asks the same thing more than once where it knows only one, so that one lost packet is no silence', () => {
    assert.equal(asked({ answers: isSilent, targets: ['x1'] }).by('a').length, 3);
  });

  it('is over in the moment that the WAN answers anything', async () => {
    const answers = (wan: string, target: string) => (wan === 'b' || target === 'y1' ? {} : undefined);
    const { clock, rulings, inquiry, probes } = asked({ answers });
    await clock.pass(20);
    assert.deepEqual(rulings, [[20, 'answered', 'y1 answered']]);
    assert.equal(inquiry.isOver, true);
    const before = probes.length;
    await clock.pass(10_000);
    assert.deepEqual([probes.length, rulings.length], [before, 1]);
  });

  it('suspects a WAN that is silent for as long as it usually takes while another one is answered', async () => {
    for (const [usualMs, at] of [
      [250, 400],
      [900, 900],
    ] as const) {
      const { clock, rulings } = asked({ answers: isSilent, usualMs });
      await clock.pass(at - 1);
      assert.equal(rulings.length, 0);
      await clock.pass(1);
      assert.deepEqual(
        rulings.map(([when, kind]) => [when, kind]),
        [[at, 'suspected']],
      );
    }
  });

  it('calls it dead after 20 silent probes and 2.5 s, and says what was asked', async () => {
    const { clock, rulings, by } = asked({ answers: isSilent });
    await clock.pass(2499);
    assert.deepEqual(
      rulings.map(([, kind]) => kind),
      ['suspected'],
    );
    await clock.pass(1000);
    const [, dead] = rulings;
    assert.equal(dead![1], 'dead');
    assert.match(dead![2]!, /^asked x1, y1, z1: 0 of \d+ answered, by other WANs 3 of 3$/);
    assert.ok(by('a').filter(([at]) => at <= dead![0] - 500).length >= 20);
  });

  it('calls nobody dead for the silence of one network, which may refuse the address of the WAN', async () => {
    for (const targets of [['x1'], ['x1', 'x2', 'x3', 'x4']]) {
      const { clock, kinds } = asked({ answers: isSilent, targets });
      await clock.pass(120_000);
      assert.deepEqual(kinds(), ['suspected']);
    }
    const two = asked({ answers: isSilent, targets: ['x1', 'y1'] });
    await two.clock.pass(10_000);
    assert.deepEqual(two.kinds(), ['suspected', 'dead']);
  });

  it('asks the gateway, whose silence may stand for a second network, and without which it proves nothing', async () => {
    const silent = asked({ answers: isSilent, targets: ['x1'], gateway: { silent: true } });
    assert.deepEqual(silent.gateways, ['4 192.0.2.1 3']);
    await silent.clock.pass(10_000);
    assert.deepEqual(silent.kinds(), ['suspected', 'dead']);
    const there = asked({ answers: isSilent, targets: ['x1'], gateway: { silent: false } });
    await there.clock.pass(60_000);
    assert.deepEqual(there.kinds(), ['suspected']);
    const alone = asked({ answers: () => ({}), gateway: { silent: true } });
    await alone.clock.pass(60_000);
    assert.deepEqual(alone.kinds(), ['answered'], 'some gateways answer nobody');
  });

  it('counts only networks that another WAN reaches', async () => {
    const answers = (wan: string, target: string) => (wan === 'b' && target === 'x1' ? {} : undefined);
    const { clock, kinds } = asked({ answers });
    await clock.pass(60_000);
    assert.deepEqual(kinds(), ['suspected']);
  });

  it('calls nobody dead where it may not', async () => {
    const { clock, kinds } = asked({ answers: isSilent, mayFindDead: false });
    await clock.pass(60_000);
    assert.deepEqual(kinds(), ['suspected']);
  });

  it('ends without a result where nobody answers, or nobody is left to compare with', async () => {
    for (const world of [
      { answers: () => undefined },
      { answers: isSilent, others: [] },
      { answers: isSilent, spend: () => false },
    ]) {
      const { clock, kinds, inquiry } = asked(world);
      await clock.pass(3400);
      assert.deepEqual(kinds(), []);
      await clock.pass(1000);
      assert.deepEqual([kinds(), inquiry.isOver], [['unknown'], true]);
    }
  });

  it('takes no result for silence that says nothing about the WAN', async () => {
    const answers = (wan: string) => (wan === 'a' ? { ok: false, inconclusive: true as const } : {});
    const { clock, kinds } = asked({ answers });
    await clock.pass(10_000);
    assert.deepEqual(kinds(), ['unknown']);
  });

  it('is glad of a late answer, whatever it found before', async () => {
    const { clock, rulings } = asked({ answers: () => ({}), rttMs: 1500, usualMs: 250 });
    await clock.pass(10_000);
    assert.deepEqual(
      rulings.map(([, kind]) => kind),
      ['answered'],
    );
    const mixed = asked({ answers: isSilent });
    await mixed.clock.pass(1000);
    mixed.inquiry.heard();
    assert.deepEqual(mixed.kinds(), ['suspected', 'answered']);
    assert.equal(mixed.inquiry.isOver, true);
    mixed.inquiry.heard();
    assert.equal(mixed.rulings.length, 2, 'once');
  });

  it('reads the answers that came while the process stood still before it judges', async () => {
    const answers = (wan: string) => ({ rttMs: wan === 'a' ? 510 : 20 });
    const { clock, kinds } = asked({ answers, usualMs: 500 });
    await clock.pass(100);
    clock.stall(3000);
    await clock.pass(200);
    assert.deepEqual(kinds(), ['answered']);
  });

  it('asks on about a dead WAN, ever less often, and tells of each answer from then on', async () => {
    let works = false;
    const { clock, kinds, inquiry, by, rulings } = asked({
      answers: (wan) => (wan === 'a' && !works ? undefined : {}),
    });
    await clock.pass(60_000);
    const before = by('a').length;
    await clock.pass(60_000);
    assert.ok(by('a').length - before <= 5, 'four a minute');
    assert.deepEqual(kinds(), ['suspected', 'dead']);
    works = true;
    await clock.pass(15_000);
    assert.equal(kinds()[2], 'answered');
    assert.equal(inquiry.isOver, false, 'until it is up');
    const answersAt = rulings.length;
    await clock.pass(10_000);
    assert.ok(rulings.length >= answersAt + 12, 'asked every two seconds');
    works = false;
    await clock.pass(10_000);
    assert.equal(kinds().at(-1), 'dead', 'again');
  });

  it('has not spent its probes when a WAN comes back after nearly an hour, with one network or several', async () => {
    for (const targets of [['x1'], ['x1', 'y1', 'z1', 'v1']]) {
      const budget = new Budget();
      let works = false;
      const { clock, kinds } = asked({
        answers: (wan) => (wan === 'a' && !works ? undefined : {}),
        targets,
        others: ['b', 'c'],
        spend: (network, now) => budget.spend(network, now),
      });
      await clock.pass(3_300_000);
      works = true;
      await clock.pass(16_000);
      assert.equal(kinds().at(-1), 'answered');
    }
  });

  it('finds a WAN dead that stayed suspected, when a second network can be asked', async () => {
    const targets = ['x1'];
    const { clock, kinds } = asked({ answers: isSilent, targets });
    await clock.pass(60_000);
    assert.deepEqual(kinds(), ['suspected']);
    targets.push('y1');
    await clock.pass(600_000);
    assert.deepEqual(kinds(), ['suspected', 'dead']);
  });

  it('asks other things before it calls a WAN dead: a client that means harm may have chosen the first ones', async () => {
    const targets = ['x1', 'y1'];
    const answers = (wan: string, target: string) => (wan === 'b' || target === 'z1' ? {} : undefined);
    const { clock, kinds } = asked({ answers, targets });
    targets.splice(0, 2, 'z1');
    await clock.pass(2400);
    assert.deepEqual(kinds(), ['suspected', 'answered']);
  });

  it('sends nothing and tells nothing after it was stopped, and leaves no timer and no probe', async () => {
    const { clock, inquiry, kinds, probes, aborted } = asked({ answers: isSilent });
    await clock.pass(100);
    inquiry.stop();
    inquiry.stop();
    const [sent] = [probes.length];
    assert.equal(aborted.length, sent);
    await clock.pass(60_000);
    assert.deepEqual([probes.length, kinds()], [sent, []]);
  });

  it('survives a check that rejects', async () => {
    const clock = new FakeClock();
    const kinds: string[] = [];
    const question: Question = {
      text: 'x',
      network: 'x',
      target: 'x',
      spend: () => true,
      check: async () => {
        throw new Error('broken');
      },
    };
    const inquiry = new Inquiry({
      wan: 'a',
      family: 4,
      others: () => ['b'],
      questions: () => [question],
      path: (wan) => ({ wan, family: 4, mark: 1, device: undefined }),
      usualMs: 500,
      mayFindDead: true,
      gateway: () => undefined,
      clock,
      onRuling: ({ kind }) => kinds.push(kind),
    });
    running.push(inquiry);
    await clock.pass(10_000);
    assert.deepEqual(kinds, ['unknown']);
  });

  it('stops asking others about what they reached lately', async () => {
    const { clock, by } = asked({ answers: isSilent });
    await clock.pass(3000);
    assert.ok(by('a').length > 20);
    assert.equal(by('b').length, 3);
    await clock.pass(120_000);
    assert.equal(by('b').length, 3, 'nor when it only matters whether the WAN answers again');
  });
});
