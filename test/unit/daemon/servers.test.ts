import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { pino } from 'pino';
import { parseConfig } from '#wanmark/config/config.js';
import type { Entry } from '#wanmark/conntrack/requests.js';
import { Pool } from '#wanmark/core/pool.js';
import { backendMember } from '#wanmark/core/service.js';
import { States } from '#wanmark/core/states.js';
import { Servers } from '#wanmark/daemon/servers.js';
import { flow } from '../flows.js';
import { FakeClock } from '../wan/fake-clock.js';

const FIELD = 0xff00;
/** Longer than any of the default rounds takes to be counted three times. */
const SOON_MS = 8000;

/** Three servers of a service, asked in the default way; those whose addresses are in `dead` do not answer. */
function world(t: TestContext, check: string[] = []) {
  const config = parseConfig({
    service: 'web,listen=192.0.2.1:80/tcp',
    backend: ['web,to=10.0.0.1', 'web,to=10.0.0.2', 'web,to=10.0.0.3'],
    check,
    'up-after': 0,
    'backend-mask': '0xff00',
  });
  const service = config.services[0]!;
  const clock = new FakeClock();
  const members = service.backends.map((backend) => backendMember(service, backend));
  const states = new States(
    members.map(({ target }) => target),
    { now: () => clock.now() },
  );
  const strategy = { name: 'first', strategy: { pick: (_: unknown, all: readonly unknown[]) => all[0] } };
  const pool = new Pool({ name: 'web', members, states, strategy: strategy as never, onFault: () => {} });
  const dead = new Set<string>();
  /** Servers whose checks find nothing out. */
  const unknown = new Set<string>();
  const entries = new Map<number, Entry>();
  const done: string[] = [];
  /** Lets the rules follow that wait while they are slow. */
  const waiting: (() => void)[] = [];
  const rules = { areSlow: false, follow: () => waiting.splice(0).map((follow) => follow()) };
  const lines: Record<string, unknown>[] = [];
  const servers = new Servers({
    service,
    field: config.fields.backends,
    health: config.health,
    cut: {},
    states,
    logger: pino({ base: null, timestamp: false }, { write: (text: string) => lines.push(JSON.parse(text)) }),
    candidates: () => new Set(pool.candidates(4).map(({ target }) => target.name)),
    hasOther: (name) => pool.hasOther(name, 4),
    conntrack: {
      lookup: async ({ sport }) => entries.get(sport),
      forget: async (those) => those.map(({ tuple }) => entries.delete(tuple.sport)),
    },
    forget: (mark) => void done.push(`forget ${mark}`),
    follow: async () => {
      done.push(`rules without ${[...states.down].join(' ') || 'none'}`);
      if (rules.areSlow) await new Promise<void>((resolve) => waiting.push(resolve));
    },
    clock,
    flush: async (mark, mask, selection = {}) => {
      assert.equal(mask, FIELD);
      done.push(`cut ${selection.unanswered ? 'unanswered' : 'all'} of ${mark >> 8}`);
    },
    make: () => async (target) => {
      const address = target.replace(':80', '');
      if (unknown.has(address)) return { ok: false, why: 'socket: EMFILE', inconclusive: true };
      const ok = !dead.has(address);
      return { ok, why: ok ? '1 ms' : 'timeout' };
    },
  });
  t.after(() => servers.stop());
  const seen = async (ms: number) => {
    await clock.pass(ms);
    return done.splice(0);
  };
  const down = () => [...states.down].map((id) => id.slice('web/10.0.0.'.length, -2)).join('');
  /** Gives a client's connection to a server, which leaves it without an answer, or closed where there is no entry. */
  const decide = (k: number, sport: number, status: number | undefined) => {
    if (status !== undefined)
      entries.set(sport, { mark: k << 8, status, timeout: 100, tcpState: 'SYN_SENT' });
    servers.decided(`web/10.0.0.${k}`, flow({ dst: '192.0.2.1', sport }));
  };
  const tried = (sport: number) => [...(servers.tried(flow({ dst: '192.0.2.1', sport })) ?? [])];
  const suspected = () => [...states.suspected].map((id) => id.slice('web/10.0.0.'.length, -2)).join('');
  return { servers, states, rules, dead, unknown, seen, down, clock, lines, decide, tried, suspected };
}

/** Status bits of conntrack: an unanswered connection, and one that was answered. */
const UNREPLIED = 8;
const REPLIED = 10;

describe('the servers of a service', () => {
  it('are left out at once, and cut when another has answered since', async (t) => {
    const { dead, seen, down } = world(t);
    assert.deepEqual(await seen(SOON_MS), []);
    dead.add('10.0.0.2');
    assert.deepEqual(await seen(SOON_MS), [
      'forget 2',
      'cut unanswered of 2',
      'rules without web/10.0.0.2/4',
      'cut all of 2',
    ]);
    assert.equal(down(), '2');
    dead.clear();
    assert.deepEqual(await seen(60_000), ['rules without none']);
    assert.equal(down(), '');
  });

  it('are not cut when all fall silent, whichever comes first, nor when they are back', async (t) => {
    const { dead, seen, down } = world(t);
    await seen(SOON_MS);
    for (const k of [1, 2, 3]) dead.add(`10.0.0.${k}`);
    const done = await seen(SOON_MS);
    assert.equal(down().length, 3);
    assert.deepEqual(
      done.filter((one) => one.startsWith('cut all')),
      [],
    );
    dead.clear();
    const back = await seen(120_000);
    assert.equal(down(), '');
    assert.deepEqual(
      back.filter((one) => one.startsWith('cut')),
      [],
    );
  });

  it('are not cut when the last falls silent, although another is back before the rules have followed', async (t) => {
    const { rules, dead, seen, down, servers } = world(t);
    await seen(SOON_MS);
    for (const k of [1, 2]) dead.add(`10.0.0.${k}`);
    await seen(SOON_MS);
    rules.areSlow = true;
    dead.add('10.0.0.3');
    await seen(SOON_MS);
    assert.equal(down().length, 3);
    rules.areSlow = false;
    dead.delete('10.0.0.1');
    await seen(60_000);
    assert.equal(down().length, 2);
    rules.follow();
    await servers.settled();
    assert.deepEqual(await seen(0), []);
  });

  it('are cut at once by hand, and where no other is asked', async (t) => {
    const one = world(t);
    one.states.setByHand('web/10.0.0.1', true);
    one.servers.setDown('web/10.0.0.1', true);
    await one.servers.settled();
    assert.ok((await one.seen(0)).includes('cut all of 1'));

    const alone = world(t, ['web=none', 'web/10.0.0.1=tcp']);
    alone.dead.add('10.0.0.1');
    assert.ok((await alone.seen(SOON_MS)).includes('cut all of 1'));
  });

  it('leave a connection without an answer to another one, and get nothing new while their checks fail', async (t) => {
    const { dead, seen, decide, tried, suspected, down, lines } = world(t);
    await seen(SOON_MS);
    dead.add('10.0.0.2');
    decide(2, 1001, UNREPLIED);
    decide(1, 1002, REPLIED);
    // The client's next SYN comes after a second.
    assert.deepEqual(await seen(950), ['forget 2', 'cut unanswered of 2', 'rules without none', 'forget 2']);
    assert.deepEqual(tried(1001), ['web/10.0.0.2']);
    assert.deepEqual(tried(1002), []);
    assert.deepEqual([suspected(), down()], ['2', '']);
    dead.clear();
    assert.deepEqual(await seen(2500), ['rules without none']);
    assert.equal(suspected(), '');
    assert.deepEqual(lines, [
      {
        level: 40,
        service: 'web',
        backend: '10.0.0.2',
        reason: 'connections unanswered; tcp 10.0.0.2:80: timeout',
        msg: 'backend suspected',
      },
      { level: 30, service: 'web', backend: '10.0.0.2', msg: 'backend not suspected any more' },
    ]);
  });

  it('are asked at once when they refuse a connection, and believed when they answer', async (t) => {
    const { dead, seen, decide, suspected } = world(t);
    await seen(SOON_MS);
    decide(3, 1001, undefined);
    await seen(400);
    assert.equal(suspected(), '');
    dead.add('10.0.0.3');
    decide(3, 1002, undefined);
    await seen(200);
    assert.equal(suspected(), '3');
  });

  it('are suspected by the first client that waits where a round has failed already', async (t) => {
    const { dead, seen, decide, suspected, down } = world(t);
    await seen(SOON_MS);
    dead.add('10.0.0.1');
    // One round, and not the three that take it down.
    await seen(2100);
    assert.deepEqual([suspected(), down()], ['', '']);
    decide(1, 1001, UNREPLIED);
    await seen(275);
    assert.deepEqual([suspected(), down()], ['1', '']);
  });

  it('stay as they are where a check finds nothing out, which is said once a minute', async (t) => {
    const { unknown, seen, down, lines } = world(t);
    await seen(SOON_MS);
    unknown.add('10.0.0.1');
    await seen(59_000);
    assert.equal(down(), '');
    const said = { service: 'web', backend: '10.0.0.1', family: 4, check: 'tcp', why: 'socket: EMFILE' };
    const line = { level: 40, ...said, msg: 'a check found nothing out; the backend stays as it is' };
    assert.deepEqual(lines, [line]);
    await seen(5000);
    assert.deepEqual(lines, [line, line]);
  });
});
