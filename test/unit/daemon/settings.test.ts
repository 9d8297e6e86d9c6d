import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { type TargetId, targetId } from '#wanmark/core/target.js';
import { wanMember, wanTarget } from '#wanmark/core/wan.js';
import { Settings } from '#wanmark/daemon/settings.js';
import { statesOf, wan } from '../flows.js';

/** Settings of three WANs, the second drained and the third for IPv4 only; their effects are noted. */
function recorded({ bare = false, refusal = '', failure = '', strategy = {} } = {}) {
  const wans = [wan(1, { weight: 5 }), wan(2, { weight: 0 }), wan(3, { via6: undefined })];
  const done: string[] = [];
  const lines: Record<string, unknown>[] = [];
  const states = statesOf(wans);
  const words = (weights: ReadonlyMap<string, number>) =>
    [...weights].map(([name, weight]) => `${name}=${weight}`).join(' ');
  /** What checks find wrong with a target, while nobody holds it down. */
  const broken = new Map<TargetId, string>();
  const find = (name: string, isDown: boolean) => {
    for (const family of wanTarget(wans.find((one) => one.name === name)!).families) {
      const id = targetId(name, family);
      const reason = isDown ? 'set down by hand' : broken.get(id);
      const state = { since: 0, reason: reason ?? 'it works', heldUntil: undefined };
      states.found(id, { up: reason === undefined, ...state });
    }
  };
  const settings = new Settings({
    what: 'WAN',
    label: (wan) => ({ wan }),
    members: wans.map((one) => ({ target: wanMember(one).target, configured: one })),
    states,
    strategy: { name: 'the strategy', ...strategy },
    logger: pino({ base: null, timestamp: false }, { write: (text: string) => lines.push(JSON.parse(text)) }),
    uplinks: bare
      ? undefined
      : {
          setDown: (name, isDown) => {
            done.push(`${name} ${isDown ? 'down' : 'auto'}`);
            find(name, isDown);
          },
          reconsider: () => done.push('reconsider'),
        },
    keeper: bare
      ? undefined
      : {
          refusal: async (weights) => (refusal === '' ? undefined : `${words(weights)}: ${refusal}`),
          setStates: async ({ weights }) => void done.push(`rules ${words(weights) || 'none'}`),
          failure: failure === '' ? undefined : failure,
        },
    settled: async () => void done.push('settled'),
  });
  const weights = () => wans.map((one) => states.weight(one.name, one.weight));
  return { settings, states, done, lines, weights, broken };
}

describe('Settings', () => {
  it('notes when a weight turns from or to 0', async () => {
    const { settings, states } = recorded();
    await settings.set({ wan: 'wan1', weight: 7 });
    assert.equal(states.weighedSince('wan1'), undefined);
    await settings.set({ wan: 'wan1', weight: 0 });
    assert.equal(states.weighedSince('wan1'), 0);
  });

  it('sets all members at once, and says once what holds for all', async () => {
    const { settings, states, done } = recorded();
    assert.equal(await settings.setAll({ wan: 'web', state: 'down' }), 'web: state down, was auto (all 3)');
    assert.deepEqual(done, ['wan1 down', 'wan2 down', 'wan3 down', 'settled']);
    assert.equal(states.down.size, 5);
    assert.equal(
      await settings.setAll({ wan: 'web', state: 'auto', weight: 3 }),
      'web: wan1 weight 3, was 5; wan2 weight 3, was 0 (drain); wan3 weight 3, was 1; ' +
        'state auto (up), was down (all 3)',
    );
    await assert.rejects(settings.setAll({ wan: 'web', weight: 0 }), /use state=down/);
    assert.equal(states.weight('wan1', 5), 3);
  });

  it('says that the strategy ignores a weight', async () => {
    const { settings } = recorded({ strategy: { name: 'round-robin', ignoresWeights: true } });
    const said = await settings.set({ wan: 'wan1', weight: 7 });
    assert.equal(said, 'wan1: weight 7, was 5; strategy round-robin ignores weights above 0');
    assert.equal(await settings.set({ wan: 'wan1', weight: 0 }), 'wan1: weight 0 (drain), was 7');
  });

  it('fails where the rules did not follow, also when it is asked once more', async () => {
    const { settings, weights } = recorded({ failure: 'the file system is full' });
    const refused = /only for the daemon, since the rules could not follow: the file system is full; /;
    for (const change of [{ weight: 7 }, { weight: 7 }, { state: 'down' }] as const) {
      await assert.rejects(settings.set({ wan: 'wan1', ...change }), {
        code: 'RULES_BEHIND',
        message: refused,
      });
    }
    assert.deepEqual(weights(), [7, 0, 1]);
  });

  it('changes a weight for the daemon and the rules, says what it is now, and restores the configured one', async () => {
    const { settings, done, lines, weights } = recorded();
    assert.equal(await settings.set({ wan: 'wan1', weight: 0 }), 'wan1: weight 0 (drain), was 5');
    assert.deepEqual(weights(), [0, 0, 1]);
    assert.equal(await settings.set({ wan: 'wan2', weight: 7 }), 'wan2: weight 7, was 0 (drain)');
    assert.equal(await settings.set({ wan: 'wan2', weight: 7 }), 'wan2: weight 7, as before');
    assert.equal(await settings.set({ wan: 'wan1', weight: 'auto' }), 'wan1: weight 5, was 0 (drain)');
    assert.equal(await settings.set({ wan: 'wan2', weight: 0 }), 'wan2: weight 0 (drain), was 7');
    assert.deepEqual(weights(), [5, 0, 1]);
    assert.deepEqual(done, [
      ...['reconsider', 'rules wan1=0', 'reconsider', 'rules wan1=0 wan2=7'],
      ...['reconsider', 'rules wan2=7', 'reconsider', 'rules none'],
    ]);
    assert.deepEqual(
      lines.map(({ msg, wan: name, what, now, was, level }) => [msg, name, what, now, was, level]),
      [
        ['set', 'wan1', 'weight', 0, 5, 30],
        ['set', 'wan2', 'weight', 7, 0, 30],
        ['set', 'wan1', 'weight', 5, 0, 30],
        ['set', 'wan2', 'weight', 0, 7, 30],
      ],
    );
  });

  it('holds a WAN down and lets it go by its checks again, and answers when all of it is done', async () => {
    const { settings, states, done, lines, broken } = recorded();
    assert.equal(await settings.set({ wan: 'wan1', state: 'down' }), 'wan1: state down, was auto');
    assert.deepEqual([states.isByHand('wan1'), states.isByHand('wan2')], [true, false]);
    assert.deepEqual(done, ['wan1 down', 'settled']);
    assert.equal(await settings.set({ wan: 'wan1', state: 'auto' }), 'wan1: state auto (up), was down');
    broken.set('wan1/6', 'no carrier').set('wan3/4', 'no carrier');
    assert.equal(
      await settings.set({ wan: 'wan1', state: 'auto' }),
      'wan1: state auto (IPv4 up, IPv6 down: no carrier), as before',
    );
    assert.equal(
      await settings.set({ wan: 'wan3', weight: 2, state: 'auto' }),
      'wan3: weight 2, was 1; state auto (down: no carrier), as before',
    );
    assert.deepEqual(
      lines.map(({ wan: name, what, now, was }) => [name, what, now, was]),
      [
        ['wan1', 'state', 'down', 'auto'],
        ['wan1', 'state', 'auto', 'down'],
        ['wan3', 'weight', 2, 1],
      ],
    );
  });

  it('refuses what is wrong and changes nothing, not even the other half', async () => {
    const { settings, done, lines, weights } = recorded();
    for (const [change, message] of [
      [
        { wan: 'wna1', weight: 1 },
        /^there is no WAN "wna1"; did you mean "wan1"\? there are wan1, wan2, wan3$/,
      ],
      [{ wan: 'satellite', state: 'down' }, /^there is no WAN "satellite"; there are wan1, wan2, wan3$/],
    ] as const) {
      await assert.rejects(settings.set(change), { code: 'UNKNOWN_WAN', message, exitCode: 2 });
    }
    assert.equal(done.length, 0);
    await settings.set({ wan: 'wan1', weight: 0 });
    await assert.rejects(settings.set({ wan: 'wan3', weight: 0, state: 'down' }), {
      code: 'USAGE',
      message:
        'with weight 0 for wan3 every WAN has weight 0, so none takes new connections; give another 1 or more first',
    });
    assert.deepEqual([weights(), done, lines.length], [[0, 0, 1], ['reconsider', 'rules wan1=0'], 1]);
  });

  it('refuses a weight that the rules cannot have', async () => {
    const { settings, done, weights } = recorded({ refusal: 'too many slots' });
    await assert.rejects(settings.set({ wan: 'wan1', weight: 301 }), {
      code: 'USAGE',
      message: 'weight 301 for wan1 does not go with the rules: wan1=301: too many slots',
    });
    assert.deepEqual([weights(), done], [[5, 0, 1], []]);
  });

  it('makes changes that come at once one after the other', async () => {
    const { settings, weights } = recorded();
    const both = [settings.set({ wan: 'wan1', weight: 0 }), settings.set({ wan: 'wan3', weight: 0 })];
    const results = await Promise.allSettled(both);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected'],
    );
    assert.deepEqual(weights(), [0, 0, 1]);
  });

  it('sets weights but no states for bare marks', async () => {
    const { settings, weights } = recorded({ bare: true });
    await settings.set({ wan: 'wan1', weight: 0 });
    assert.deepEqual(weights(), [0, 0, 1]);
    await assert.rejects(settings.set({ wan: 'wan1', state: 'down' }), {
      code: 'USAGE',
      message: 'wan1 is a bare mark, and only your own rules know where it leads; use weight=0',
    });
  });
});
