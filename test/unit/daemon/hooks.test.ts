import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pino } from 'pino';
import { Hooks, type HooksParts } from '#wanmark/daemon/hooks.js';
import type { UplinkChange } from '#wanmark/daemon/uplinks.js';
import type { LimitedEnd } from '#wanmark/system/limited.js';
import { wan } from '../flows.js';

const DONE: LimitedEnd = { code: 0, why: undefined, said: '' };
const WANS = [wan(1), wan(2), wan(3, { via6: undefined })];
/** A program takes milliseconds to start, but seconds on a machine with other work. */
const PATIENCE_MS = 60_000;
const tick = () => new Promise<void>((resolve) => setImmediate(resolve));

async function until(holds: () => boolean): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!holds()) {
    assert.ok(performance.now() < end, `${holds} after ${PATIENCE_MS / 1000} s`);
    await tick();
  }
}

function change(name: string, family: 4 | 6, up: boolean, more: Partial<UplinkChange> = {}): UplinkChange {
  return { wan: name, family, up, since: 0, reason: 'a test', heldUntil: undefined, lastedMs: 3000, ...more };
}

/** Hooks that log to memory; `parts` replaces their defaults. */
function hooksWith(files: readonly string[], parts: Partial<HooksParts> & { timeoutMs?: number } = {}) {
  const lines: Record<string, unknown>[] = [];
  const { timeoutMs = 60_000, ...more } = parts;
  const hooks = new Hooks({
    wans: WANS,
    hooks: { files, timeoutMs },
    onFault: (error) => assert.fail(error as Error),
    socket: '/run/a.sock',
    states: {
      changes: () => 0,
      suspicion: () => undefined,
      state: (id) => ({
        up: id !== 'wan2/6',
        since: 0,
        reason: `that of ${id.slice(0, -2)}`,
        heldUntil: undefined,
      }),
    },
    logger: pino({ base: null }, { write: (text: string) => lines.push(JSON.parse(text)) }),
    ...more,
  });
  /** A change whose effects are all there already. */
  const turn = (name: string, family: 4 | 6, up: boolean) =>
    hooks.changed(change(name, family, up), Promise.resolve());
  return { hooks, turn, lines };
}

/** Hooks whose calls end when the test says so. */
function manual(files: readonly string[], parts: Partial<HooksParts> = {}) {
  const begun: string[] = [];
  const open: ((end: LimitedEnd) => void)[] = [];
  const made = hooksWith(files, {
    run: ([file], { env = {}, signal }) => {
      begun.push(`${file} ${env.INTERFACE}:${env.WANMARK_FAMILY} ${env.ACTION}`);
      return new Promise((resolve) => {
        open.push(resolve);
        signal?.addEventListener('abort', () => resolve({ code: undefined, why: 'cancelled', said: '' }));
      });
    },
    ...parts,
  });
  const end = async (how = DONE) => {
    open.shift()!(how);
    await tick();
  };
  return { ...made, begun, end };
}

describe('Hooks', () => {
  it('run one after the other for a WAN, in the order given, and side by side for several', async () => {
    const { turn, begun, end } = manual(['/a', '/b']);
    turn('wan1', 4, false);
    turn('wan2', 4, false);
    await tick();
    assert.deepEqual(begun, ['/a wan1:4 disconnected', '/a wan2:4 disconnected']);
    await end();
    assert.deepEqual(begun.slice(2), ['/b wan1:4 disconnected']);
    turn('wan1', 4, true);
    await tick();
    assert.equal(begun.length, 3, 'the WAN has one running');
    await end();
    await end();
    assert.deepEqual(begun.slice(3), ['/b wan2:4 disconnected', '/a wan1:4 connected']);
  });

  it('are told the latest state of each family when a slow one ends, and of none in between', async () => {
    const { turn, begun, end } = manual(['/a']);
    turn('wan1', 4, false);
    await tick();
    for (let i = 0; i < 5; i++) {
      for (const up of [true, false]) for (const family of [4, 6] as const) turn('wan1', family, up);
    }
    turn('wan1', 6, true);
    for (let i = 0; i < 3; i++) await end();
    assert.deepEqual(begun, ['/a wan1:4 disconnected', '/a wan1:4 disconnected', '/a wan1:6 connected']);
    turn('wan1', 4, true);
    await tick();
    assert.equal(begun.at(-1), '/a wan1:4 connected');
  });

  it('do not starve a family when the other changes all the time', async () => {
    const { turn, begun, end } = manual(['/a']);
    turn('wan1', 4, false);
    await tick();
    for (let i = 0; i < 4; i++) {
      for (const family of [4, 6] as const) turn('wan1', family, i % 2 === 0);
      await end();
    }
    assert.ok(begun.filter((call) => call.includes('wan1:6')).length >= 2, begun.join('\n'));
  });

  it('run when the change has been acted upon, or when that takes too long', async () => {
    const { hooks, begun } = manual(['/a'], { mostActingMs: 60_000 });
    let act = () => {};
    hooks.changed(
      change('wan1', 4, false),
      new Promise((resolve) => {
        act = resolve;
      }),
    );
    await tick();
    assert.deepEqual(begun, []);
    act();
    await tick();
    assert.equal(begun.length, 1);
    const impatient = manual(['/a'], { mostActingMs: 1 });
    impatient.hooks.changed(change('wan1', 4, false), new Promise(() => {}));
    await until(() => impatient.begun.length > 0);
  });

  it('that fail are logged, each with its last words, and the next is run', async () => {
    const { turn, lines, begun, end } = manual(['/a', '/b']);
    turn('wan1', 4, false);
    await tick();
    await end({ code: 3, why: undefined, said: 'no network' });
    await end({ code: undefined, why: 'timeout', said: '' });
    assert.equal(begun.length, 2);
    assert.deepEqual(
      lines.map(({ level, msg, wan: name, family, action, hook, said }) => [
        ...[level, msg, name, family, action, hook, said],
      ]),
      [
        [40, 'a hook failed with exit code 3', 'wan1', 4, 'disconnected', '/a', 'no network'],
        [40, 'a hook was killed after 60 s, its time limit', 'wan1', 4, 'disconnected', '/b', ''],
      ],
    );
  });

  it('end with the daemon: no new hook begins, and one that hangs is killed', async () => {
    const { hooks, turn, begun, lines } = manual(['/a', '/b'], { graceMs: 1, mostActingMs: 60_000 });
    turn('wan1', 4, false);
    await tick();
    turn('wan1', 4, true);
    hooks.changed(change('wan2', 4, false), new Promise(() => {}));
    await hooks.stop();
    turn('wan3', 4, false);
    await tick();
    assert.deepEqual(begun, ['/a wan1:4 disconnected']);
    assert.deepEqual(
      lines.map(({ msg }) => msg),
      ['a hook was killed: the daemon ends'],
    );
  });

  it('may finish their work when the daemon ends', async () => {
    const { hooks, turn, lines, begun, end } = manual(['/a', '/b'], { graceMs: 60_000 });
    turn('wan1', 4, false);
    await tick();
    const stopped = hooks.stop();
    await end();
    await stopped;
    assert.deepEqual([begun.length, lines], [1, []]);
  });
});

describe('a hook', () => {
  let dir: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'wanmark-hooks-'));
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  function script(name: string, text: string): string {
    const file = join(dir, name);
    writeFileSync(file, `#!/bin/sh\n${text}\n`);
    chmodSync(file, 0o755);
    return file;
  }

  it('gets its own variables in the environment and no others, and JSON on standard input', async () => {
    const file = script('words', `env >"$0.env"; cat >"$0.new"; mv "$0.new" "$0.json"`);
    process.env.WANMARK_TEST_SECRET = 'x';
    try {
      const { hooks } = hooksWith([file]);
      const reason = 'script /x: exit code 1: a\nb\0c "$(reboot)"';
      hooks.changed(change('wan2', 6, false, { reason, since: performance.now() }), Promise.resolve());
      await until(() => existsSync(`${file}.json`));
      await hooks.stop();
    } finally {
      delete process.env.WANMARK_TEST_SECRET;
    }
    const lines = readFileSync(`${file}.env`, 'utf8').trim().split('\n');
    // Variables that a shell adds by itself.
    const given = lines.filter((line) => !/^(PATH|PWD|OLDPWD|SHLVL|_)=/.test(line)).sort();
    assert.deepEqual(given, [
      'ACTION=disconnected',
      `DEVICE=${WANS[1]!.dev}`,
      'INTERFACE=wan2',
      'WANMARK_FAMILY=6',
      'WANMARK_REASON=script /x: exit code 1: a b c "$(reboot)"',
      'WANMARK_SOCKET=/run/a.sock',
    ]);
    assert.match(lines.find((line) => line.startsWith('PATH='))!, /:\/usr\/sbin:\/sbin:/);
    const input = JSON.parse(readFileSync(`${file}.json`, 'utf8'));
    const { since, wans, ...rest } = input;
    assert.ok(Math.abs(Date.now() - Date.parse(since)) < 60_000, since);
    assert.deepEqual(rest, {
      ...{ wan: 'wan2', dev: WANS[1]!.dev, family: 6, state: 'down', lasted: 3 },
      reason: 'script /x: exit code 1: a\nb\0c "$(reboot)"',
    });
    assert.deepEqual(
      wans.map((one: Record<string, unknown>) => [one.name, one.dev, one.family, one.state, one.reason]),
      [
        ['wan1', WANS[0]!.dev, 4, 'up', 'that of wan1'],
        ['wan1', WANS[0]!.dev, 6, 'up', 'that of wan1'],
        ['wan2', WANS[1]!.dev, 4, 'up', 'that of wan2'],
        ['wan2', WANS[1]!.dev, 6, 'down', 'that of wan2'],
        ['wan3', WANS[2]!.dev, 4, 'up', 'that of wan3'],
      ],
    );
  });

  it('that hangs is killed with all that it started, and the next state is reported', async () => {
    const file = script(
      'hangs',
      `echo "$ACTION" >>"$0.calls"
      test "$ACTION" = connected && exit
      sleep 9999 & sh -c 'sleep 9999 & echo $! >"$1.deep"; wait' sh "$0" & wait`,
    );
    // Long enough for the hook to have started its own program, even on a machine with other work.
    const { turn, lines, hooks } = hooksWith([file], { timeoutMs: 3000 });
    turn('wan1', 4, false);
    await until(() => existsSync(`${file}.deep`));
    turn('wan1', 4, true);
    const calls = () => readFileSync(`${file}.calls`, 'utf8');
    await until(() => calls() === 'disconnected\nconnected\n');
    await hooks.stop();
    assert.equal(lines[0]!.msg, 'a hook was killed after 3 s, its time limit');
    const pid = Number(readFileSync(`${file}.deep`, 'utf8'));
    assert.ok(pid > 0);
    // A killed process exists until init has waited for it.
    await until(() => !existsSync(`/proc/${pid}`) || /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')));
  });

  it('that cannot be run is logged', async () => {
    const { turn, lines } = hooksWith([join(dir, 'gone')]);
    turn('wan1', 4, false);
    await until(() => lines.length > 0);
    assert.equal(lines[0]!.msg, 'a hook failed: ENOENT');
  });
});
