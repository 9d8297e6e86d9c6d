import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import type { RawConfig } from '#wanmark/config/options.js';
import type { Entry } from '#wanmark/conntrack/requests.js';
import { MarkField } from '#wanmark/core/mark.js';
import type { Tuple } from '#wanmark/core/tuple.js';
import { Suspicions } from '#wanmark/daemon/suspicions.js';
import type { Check } from '#wanmark/wan/check/check.js';
import { flow, statesOf, wan } from '../flows.js';
import { FakeClock } from '../wan/fake-clock.js';

const all: Suspicions[] = [];
afterEach(() => {
  for (const suspicions of all.splice(0)) suspicions.stop();
});

/** Two WANs, of which `wan1` is silent from the beginning, and a conntrack in which connections keep their first WAN. */
function made(raw: RawConfig = {}, wans = [wan(1), wan(2)]) {
  const clock = new FakeClock();
  const states = statesOf(wans, 0, () => clock.now());
  const field = new MarkField(0xff00);
  const told: string[] = [];
  const forgotten: number[] = [];
  const conntrack = new Map<number, Entry>();
  let works = false;
  const answers = (mark: number) => mark === 2 || works;
  const reach: Check = async (_target, path) =>
    answers(path.wan === 'wan1' ? 1 : 2) ? { ok: true, rttMs: 20, why: '' } : { ok: false, why: 'timeout' };
  const { health } = parseConfig({ wan: wans.map(({ name, dev }) => ({ name, dev })), ...raw });
  const suspicions = new Suspicions({
    wans,
    field,
    health,
    states,
    clock,
    working: () => wans.map(({ name }) => name),
    hasOther: () => wans.length > 1,
    path: (name, family) => ({ wan: name, family, mark: 0, device: undefined }),
    gateway: () => undefined,
    forget: (mark) => forgotten.push(mark),
    onChange: ({ wan: name, family, suspected, reason }) => {
      assert.equal(states.suspicion(`${name}/${family}`) !== undefined, suspected, 'the states know it');
      told.push(`${name}/${family} ${suspected ? 'suspected' : 'cleared'}: ${reason}`);
    },
    onAsked: (name, family, { up, reason }) =>
      told.push(`${name}/${family} ${up ? 'answers' : 'dead'}: ${reason}`),
    outside: {
      lookup: async ({ sport }) => conntrack.get(sport),
      forget: async (questions: readonly { tuple: Tuple; mark: number }[], mask) => {
        assert.equal(mask, 0xff00);
        return questions.map(({ tuple, mark }) => {
          const entry = conntrack.get(tuple.sport);
          return entry?.mark === mark && entry.tcpState === 'SYN_SENT' && conntrack.delete(tuple.sport);
        });
      },
      reach,
      random: () => 0.5,
    },
  });
  all.push(suspicions);
  let port = 1;
  const decide = (mark: number, sport: number) => {
    const one = flow({ sport, src: `10.0.0.${sport % 5}`, dst: `198.18.${sport % 7}.1` });
    const status = answers(mark) ? 10 : 8;
    const tcpState = answers(mark) ? 'ESTABLISHED' : 'SYN_SENT';
    conntrack.set(sport, { mark: mark << 8, status, timeout: 100, tcpState });
    suspicions.decided(`wan${mark}`, one);
    return one;
  };
  /** Gives each WAN a connection every 100 ms. */
  const pass = async (ms: number) => {
    for (let at = 0; at < ms; at += 100) {
      for (const one of wans) decide(one.mark, port++);
      await clock.pass(100);
    }
  };
  const work = () => {
    works = true;
  };
  const kinds = () => told.map((text) => text.split(':')[0]);
  return { suspicions, clock, states, told, kinds, pass, work, decide, forgotten };
}

describe('Suspicions', () => {
  it('tell that a WAN is suspected, and then that asking finds it dead, with the reasons', async () => {
    const { pass, told, states } = made();
    await pass(1300);
    assert.equal(told.length, 1);
    assert.match(
      told[0]!,
      /^wan1\/4 suspected: .*unanswered.*; asked 198\.18\.\d\.1:80, .*: 0 of \d+ answered, by other WANs \d of \d$/,
    );
    assert.equal(states.suspicion('wan1/4')!.reason, told[0]!.slice('wan1/4 suspected: '.length));
    await pass(4000);
    assert.equal(told.length, 2);
    assert.match(told[1]!, /^wan1\/4 dead: .*; asked .*: 0 of \d+ answered/);
  });

  it('do so after a long stall of the process as well, and after the WAN came up', async () => {
    const { suspicions, pass, clock, kinds, decide } = made();
    decide(2, 40_000);
    clock.stall(120_000);
    await clock.pass(1000);
    suspicions.changed('wan1', 4, true);
    await pass(1800);
    assert.deepEqual(kinds(), ['wan1/4 suspected']);
  });

  it('clear a suspected WAN in the moment that it answers', async () => {
    const { pass, work, clock, kinds, told } = made();
    await pass(1300);
    work();
    await clock.pass(1000);
    assert.deepEqual(kinds(), ['wan1/4 suspected', 'wan1/4 cleared']);
    assert.match(told[1]!, /answered$/);
  });

  it('tell each answer of a dead WAN until it is up, and ask no more about it then', async () => {
    const { suspicions, pass, work, clock, kinds } = made();
    await pass(5000);
    suspicions.changed('wan1', 4, false);
    work();
    await clock.pass(20_000);
    assert.deepEqual(kinds().slice(0, 3), ['wan1/4 suspected', 'wan1/4 dead', 'wan1/4 answers']);
    suspicions.changed('wan1', 4, true);
    const before = kinds().length;
    await clock.pass(60_000);
    assert.equal(kinds().length, before);
    assert.equal(clock.pending, 0);
  });

  it('drop what they know when another source takes the WAN down, or brings it up', async () => {
    for (const up of [false, true]) {
      const { suspicions, pass, clock, kinds, states } = made();
      await pass(1300);
      suspicions.changed('wan1', 4, up);
      assert.equal(states.suspicion('wan1/4'), undefined);
      await clock.pass(800);
      assert.deepEqual(kinds(), ['wan1/4 suspected']);
    }
  });

  it('never call a WAN dead with --passive avoid, and say nothing with off', async () => {
    const avoid = made({ passive: 'avoid' });
    await avoid.pass(8000);
    assert.deepEqual(avoid.kinds(), ['wan1/4 suspected']);
    const off = made({ passive: 'off' });
    await off.pass(8000);
    assert.deepEqual(off.kinds(), []);
    assert.ok(off.forgotten.length > 0, 'the second chance is apart from that');
  });

  it('give a second chance by the mark of the WAN, unless that is off', async () => {
    const { suspicions, decide, clock, forgotten } = made();
    const one = decide(1, 40_000);
    await clock.pass(1000);
    assert.deepEqual([forgotten, [...suspicions.tried(one)!]], [[1], ['wan1']]);
    for (const raw of [{ 'second-chance': 'off' }, { 'second-chance': 'off', passive: 'off' }]) {
      const off = made(raw);
      const other = off.decide(1, 40_000);
      await off.clock.pass(1000);
      assert.deepEqual([off.forgotten, off.suspicions.tried(other)], [[], undefined]);
    }
  });

  it('follow nothing where there is one WAN', async () => {
    const { suspicions, pass, clock, kinds } = made({}, [wan(1)]);
    await pass(3000);
    assert.deepEqual([kinds(), clock.pending], [[], 0]);
    assert.equal(suspicions.unreachable({ ...flow(), family: 4 }, 1), false);
  });
});
