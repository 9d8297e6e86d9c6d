import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Months } from '#wanmark/daemon/months.js';
import { statePath } from '#wanmark/system/state-file.js';

const MINUTE = 60_000;

describe('Months', () => {
  const given = process.env.WANMARK_STATE;
  let directory: string;
  let path: string;
  before(() => {
    directory = join(mkdtempSync(join(tmpdir(), 'wanmark-months-')), 'state');
    process.env.WANMARK_STATE = directory;
    path = statePath('/run/wanmark/wanmark.sock', 'month');
  });
  beforeEach(() => rmSync(directory, { recursive: true, force: true }));
  after(() => {
    if (given === undefined) delete process.env.WANMARK_STATE;
    else process.env.WANMARK_STATE = given;
    rmSync(join(directory, '..'), { recursive: true });
  });

  /** A daemon's, with what it warned of. */
  function begin(write?: (path: string, state: object) => Promise<void>) {
    const warnings: string[] = [];
    let now = 0;
    const months = new Months({
      path,
      logger: { warn: (text: string) => void warnings.push(text) } as never,
      now: () => now,
      date: () => new Date(2026, 2, 3),
      ...(write && { write }),
    });
    const read = (bytes: number, at: number) => {
      now = at;
      months.read(new Map([['fibre', { in: bytes, out: 0, place: 'device eth1', boot: 'first' }]]));
    };
    return { months, warnings, read };
  }

  it('are there again after a restart, in one file that is named after the socket', async () => {
    const first = begin();
    first.read(100, 0);
    first.read(600, 2000);
    await first.months.stop();
    assert.deepEqual(readdirSync(directory), ['run-wanmark-wanmark.sock.month']);
    const second = begin();
    assert.equal(second.months.of('fibre')!.inBytes, 500);
    assert.deepEqual([...first.warnings, ...second.warnings], []);
  });

  it('are written every ten minutes at most, and only where they have changed', async () => {
    const written: object[] = [];
    const { months, read } = begin(async (_, state) => void written.push(state));
    for (let at = 0; at < 60 * MINUTE; at += 2000) read(at, at);
    for (let at = 60 * MINUTE; at < 100 * MINUTE; at += 2000) read(60 * MINUTE, at);
    await months.stop();
    assert.equal(written.length, 6);
  });

  it('say once that they cannot be written, and are written when they can', async () => {
    let isFull = true;
    const written: object[] = [];
    const { months, read, warnings } = begin(async (_, state) => {
      if (isFull) throw new Error('ENOSPC');
      written.push(state);
    });
    for (let at = 0; at < 31 * MINUTE; at += MINUTE) read(at, at);
    // They are written behind what goes on here.
    await setImmediate();
    isFull = false;
    await months.stop();
    assert.deepEqual(warnings, ["the month's bytes cannot be kept for the next start: ENOSPC"]);
    assert.equal(written.length, 1);
  });

  it('begin anew, and say so, where the file is not theirs', async () => {
    const first = begin();
    first.read(100, 0);
    await first.months.stop();
    const text = readFileSync(path, 'utf8');
    for (const [other, said] of [
      [text.slice(0, -5), /^the month's bytes begin anew: .*JSON/],
      ['{"format":9}', /is of another version, so the month's bytes begin anew$/],
    ] as const) {
      writeFileSync(path, other);
      const { months, warnings } = begin();
      assert.equal(months.of('fibre'), undefined);
      assert.match(warnings.join('\n'), said);
    }
    rmSync(path);
    symlinkSync('/etc/passwd', path);
    assert.match(begin().warnings.join('\n'), /is not a regular file; move it away$/);
  });
});
