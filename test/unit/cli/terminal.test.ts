/** What an operator sees on a terminal, from a daemon that is made up: `top`, and `status` with colours and lines that fit. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Change } from '#wanmark/config/change.js';
import { Control } from '#wanmark/control/control.js';
import type { StatusV1, WanStatus } from '#wanmark/control/status.js';
import type { Event } from '#wanmark/core/event.js';
import { MAIN } from '../../helpers/main.js';
import { needs, program } from '../../helpers/requires.js';
import { TestTerminal } from '../../helpers/terminal.js';

/** The alternate screen without a cursor, and back. */
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const LOG = import.meta.resolve('#wanmark/log.js');
const SIGTERM = 15;
const SIGHUP = 1;

function started(number: number, version: string): Event {
  return { number, at: new Date().toISOString(), kind: 'start', pid: 7, version };
}

describe('on a terminal', needs(program('python3')), () => {
  const dir = mkdtempSync(join(tmpdir(), 'wanmark-terminal-'));
  const socket = join(dir, 'socket');
  const TOP = [process.execPath, MAIN, 'top', '--socket', socket];
  const weights = { wan1: 1, wan2: 1 };
  const down = new Set<string>();
  const changes: Change[] = [];
  let control: Control;

  let events: Event[] = [1, 2].map((number) => started(number, '1.2.3'));

  function wan(name: 'wan1' | 'wan2'): WanStatus {
    const state = down.has(name) ? 'down' : weights[name] === 0 ? 'drain' : 'up';
    const since = new Date(Date.now() - 60_000).toISOString();
    return {
      name,
      mark: 1,
      dev: name,
      weight: weights[name],
      tier: 1,
      state,
      connections: 5,
      picks: 5,
      share: 0.5,
      target: 0.5,
      since,
      reason: `${'a reason that is long '.repeat(9)}`,
      upAt: null,
      warmUp: null,
      families: [],
      checks: [],
      traffic: null,
    };
  }

  const status = (): StatusV1 => {
    const queue = {
      num: 0,
      verdicts: 1,
      waiting: 0,
      dropped: 0,
      userDropped: 0,
      kernelDecided: 0,
      late: 0,
      length: 1,
    };
    return {
      api: 1,
      at: new Date().toISOString(),
      version: '1.2.3',
      pid: 7,
      uptimeSeconds: 60,
      strategy: 'weighted',
      queue,
      queues: [queue],
      faults: { threw: 0, noCandidate: 0, late: 0 },
      wans: [wan('wan1'), wan('wan2')],
      sticky: null,
      policies: [],
      serviceQueue: null,
      serviceFaults: null,
      services: [],
      notes: [],
      rules: { up: true, failure: null },
      history: { wan1: { stepSeconds: 10, in: Array(60).fill(5), out: Array(60).fill(5) } },
    };
  };

  async function open(): Promise<void> {
    const connection = {
      family: 4,
      proto: 'tcp',
      src: '10.0.0.1',
      sport: 5,
      dst: '1.1.1.1',
      dport: 7,
      policy: null,
      state: 'ESTABLISHED',
      since: null,
      bytes: null,
    } as const;
    const make = async (change: Change) => {
      changes.push(change);
      const name = change.wan as keyof typeof weights;
      if (change.weight !== undefined) weights[name] = change.weight === 'auto' ? 1 : change.weight;
      if (change.state === 'down') down.add(name);
      if (change.state === 'auto') down.delete(name);
      return `${name}: done`;
    };
    control = await Control.open(socket, async () => status(), make, assert.ifError, {
      status: async () => status(),
      connections: async ({ wan: name = '' }) => ({
        api: 1,
        found: 1,
        connections: [{ ...connection, wan: name }],
      }),
      events: {
        after: (number) => events.filter((one) => one.number > number),
        listen: () => () => undefined,
      },
      explain: () => assert.fail('nobody asks for it'),
    });
  }

  before(open);
  after(() => {
    control.close();
    rmSync(dir, { recursive: true });
  });

  const has = (pattern: RegExp) => (frame: readonly string[]) => frame.some((line) => pattern.test(line));

  it('top shows, drains, sets down, lists, fits every size, and survives a restart of the daemon', async () => {
    const top = new TestTerminal(TOP);
    await top.until(has(/^> {2}wan1 {2}up /), 'wan1, chosen');
    assert.ok(top.output.startsWith(ENTER));
    assert.ok(has(/wanmark 1\.2\.3 started/)(top.frame), top.frame.join('\n'));
    assert.ok(has(/█/)(top.frame), 'ten minutes');
    for (const [columns, rows] of [
      [40, 10],
      [200, 60],
      [80, 24],
    ] as const) {
      top.resize(columns, rows);
      await top.until((frame) => frame.length === rows, `${rows} lines`);
      const widest = Math.max(...top.frame.map((line) => line.length));
      assert.ok(widest <= columns, `${widest} in ${columns}`);
      assert.ok(has(/wan1/)(top.frame));
    }

    // A question comes first, and anything but y is no.
    top.send('\x1b[Bd');
    await top.until((frame) => frame.at(-1)!.startsWith('drain wan2'), 'a question');
    top.send('n');
    await top.until((frame) => frame.at(-1)!.startsWith('q quit'), 'the keys');
    assert.deepEqual(changes, []);
    top.send('dy');
    await top.until(has(/^> {2}wan2 {2}drain/), 'wan2 drains');
    top.send('u');
    await top.until(has(/^> {2}wan2 {2}up/), 'wan2 is up again');
    top.send('sy');
    await top.until(has(/^> {2}wan2 {2}down/), 'wan2 is down');
    assert.deepEqual(changes, [
      { wan: 'wan2', weight: 0 },
      { wan: 'wan2', weight: 'auto', state: 'auto' },
      { wan: 'wan2', state: 'down' },
    ]);
    top.send('k');
    await top.until(has(/^> {2}wan1/), 'wan1 is chosen');
    top.send('c');
    await top.until(has(/^tcp 10\.0\.0\.1:5 -> 1\.1\.1\.1:7 ESTABLISHED$/), 'connections');
    top.send('b');
    await top.until(has(/^> /), 'the WANs again');

    control.close();
    await top.until((frame) => frame[0]!.startsWith('no daemon answers for '), 'it says so');
    // The journal of the next one begins anew, as after one that could not be written.
    events = [started(1, '1.2.4')];
    await open();
    await top.until((frame) => frame[0]!.startsWith('wanmark 7  up'), 'the new daemon');
    await top.until(has(/wanmark 1\.2\.4 started/), 'what happened since');
    assert.ok(!has(/wanmark 1\.2\.3 started/)(top.frame), 'and nothing else');
    top.send('q');
    assert.deepEqual(await top.end(), { code: 0, raw: false });
    assert.ok(top.output.endsWith(LEAVE));
  });

  for (const [name, signal] of [
    ['SIGTERM', SIGTERM],
    ['SIGHUP', SIGHUP],
  ] as const) {
    it(`top gives the terminal back on ${name}`, async () => {
      const top = new TestTerminal(TOP, { columns: 40, rows: 10 });
      await top.until((frame) => frame.length === 10, 'a frame');
      top.signal(signal);
      assert.deepEqual(await top.end(), { code: 0, raw: false });
      assert.ok(top.output.endsWith(LEAVE));
    });
  }

  it('top is one line where there is no daemon, and leaves the terminal as it is', async () => {
    const top = new TestTerminal([process.execPath, MAIN, 'top', '--socket', join(dir, 'nobody')]);
    assert.deepEqual(await top.end(), { code: 1, raw: false });
    assert.match(top.output, /^wanmark: no daemon answers on [^\n]*\r\n$/);
  });

  it('status has colours, unless NO_COLOR is set, and lines that fit', async () => {
    const STATUS = [process.execPath, MAIN, 'status', '--socket', socket];
    const coloured = new TestTerminal(STATUS);
    assert.equal((await coloured.end()).code, 0);
    assert.ok(coloured.output.includes('\x1b[32mup\x1b[0m'), coloured.output);
    const plain = new TestTerminal(STATUS, { env: { NO_COLOR: '1' } });
    assert.equal((await plain.end()).code, 0);
    assert.equal(plain.output.includes('\x1b'), false);
    const lines = plain.output.split('\r\n');
    assert.deepEqual(
      lines.filter((line) => line.length > 80),
      [],
    );
    assert.ok(
      lines.some((line) => line.startsWith('  ')),
      'long ones go on',
    );
  });

  it('the log has colours, unless NO_COLOR is set', async () => {
    const script = `const { createLog } = await import(${JSON.stringify(LOG)});
      const log = createLog();
      log.logger.warn({ wan: 'fibre' }, 'wan down');
      await log.end();`;
    const written = async (env: Record<string, string>) => {
      const argv = [process.execPath, '--input-type=module', '-e', script];
      const terminal = new TestTerminal(argv, { env });
      assert.equal((await terminal.end()).code, 0);
      return terminal.output;
    };
    assert.ok((await written({})).includes('\x1b[33mWARN\x1b[39m'));
    assert.match(await written({ NO_COLOR: '1' }), /^\[[\d:.]+\] WARN: wan down\r+\n {4}wan: fibre\r+\n$/);
  });
});
