import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import type { Happening } from '#wanmark/core/event.js';
import type { Changing } from '#wanmark/daemon/changing.js';
import { RulesKeeper } from '#wanmark/daemon/rules-keeper.js';
import { SystemError } from '#wanmark/errors.js';
import { NO_STATES } from '#wanmark/plan/states.js';

const full = () =>
  Object.assign(new Error('ENOSPC: no space left on device'), { errno: -28, code: 'ENOSPC' });

describe('a keeper of rules that the system refuses to change', () => {
  const before = process.env.WANMARK_RUN;
  let run: string;
  let keeper: RulesKeeper;
  let lines: { msg: string; said?: string[]; error?: string }[];
  let tries: string[];
  let events: Happening[];

  beforeEach(() => {
    run = mkdtempSync(join(tmpdir(), 'wanmark-keeper-'));
    process.env.WANMARK_RUN = run;
    mkdirSync(join(run, 'state'));
    writeFileSync(join(run, 'state', 'up'), '');
    lines = [];
    tries = [];
    events = [];
  });
  afterEach(() => {
    keeper.stop();
    if (before === undefined) delete process.env.WANMARK_RUN;
    else process.env.WANMARK_RUN = before;
    rmSync(run, { recursive: true });
  });

  function make(refuse: () => never): void {
    const changing: Changing = {
      choice: async () => ({
        changeChoice: async () => {
          tries.push('choice');
          return refuse();
        },
      }),
      refusal: async () => ({ choiceRefusal: () => undefined }),
      install: async () => ({
        refreshRules: async () => {
          tries.push('refresh');
          return refuse();
        },
      }),
    };
    keeper = new RulesKeeper({
      logger: pino({ base: null }, { write: (text: string) => lines.push(JSON.parse(text)) }),
      events: { note: (happening) => events.push(happening) },
      now: () => 0,
      devices: [],
      repair: true,
      fingerprint: () => '',
      changing,
    });
  }

  for (const [what, error] of [
    ['an error of its own', () => new SystemError('NO_FACTS', 'the kernel does not tell; try again')],
    ["one of the system's", full],
  ] as const) {
    it(`says so for ${what}, and goes on with the next states`, async () => {
      make(() => {
        throw error();
      });
      await keeper.setStates(NO_STATES);
      assert.deepEqual(tries, ['choice', 'refresh']);
      assert.deepEqual(
        lines.map(({ msg, said }) => [msg, said]),
        [['the rules could not be brought up to date; next try in 5 s', [error().message]]],
      );
      await keeper.setStates(NO_STATES);
      assert.deepEqual(tries, ['choice', 'refresh', 'choice', 'refresh']);
      assert.deepEqual(events, [{ kind: 'rules', error: error().message }], 'one event, however often');
      assert.equal(keeper.failure, error().message);
    });
  }

  it('does not hide a bug, and goes on with the next states', async () => {
    make(() => {
      throw new TypeError('it is a bug');
    });
    for (const times of [1, 2]) {
      await keeper.setStates(NO_STATES);
      assert.equal(tries.length, times);
      assert.equal(keeper.failure, 'it is a bug');
    }
    assert.deepEqual(
      lines.map(({ msg, error }) => [msg, error]),
      [['a part of the daemon failed; the others go on', 'it is a bug']],
    );
  });
});

describe('a keeper of rules that change often', () => {
  it('follows a file that somebody has changed without the pause between whole passes', async () => {
    const before = process.env.WANMARK_RUN;
    const run = mkdtempSync(join(tmpdir(), 'wanmark-keeper-'));
    process.env.WANMARK_RUN = run;
    mkdirSync(join(run, 'state'));
    writeFileSync(join(run, 'state', 'up'), '');
    const TOOK_MS = 300;
    let text = 'before';
    let passed = () => {};
    let now = 0;
    const keeper = new RulesKeeper({
      logger: pino({ enabled: false }),
      now: () => now,
      devices: [],
      repair: true,
      fingerprint: () => '',
      files: () => text,
      changing: {
        choice: async () => ({ changeChoice: async () => true }),
        refusal: async () => ({ choiceRefusal: () => undefined }),
        install: async () => ({
          refreshRules: async () => {
            now += TOOK_MS;
            setImmediate(passed);
            return { code: 0, said: [], notes: [], missing: [], changes: ['a route'] };
          },
        }),
      },
    });
    // The keeper's own timers let a process end.
    const alive = setInterval(() => undefined, 1000);
    const pass = () =>
      new Promise<void>((resolve) => {
        passed = resolve;
      });
    try {
      keeper.begin(NO_STATES);
      await pass();
      for (let i = 0; i < 6; i++) {
        keeper.follow();
        await pass();
      }
      // From here on a pass is followed by a pause of 39 times its length.
      const began = performance.now();
      text = 'after';
      await pass();
      const ms = performance.now() - began;
      assert.ok(ms < 39 * TOOK_MS, `${ms} ms`);
    } finally {
      clearInterval(alive);
      keeper.stop();
      if (before === undefined) delete process.env.WANMARK_RUN;
      else process.env.WANMARK_RUN = before;
      rmSync(run, { recursive: true });
    }
  });
});
