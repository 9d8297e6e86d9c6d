import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { Event, Happening } from '#wanmark/core/event.js';
import { Journal, readJournal } from '#wanmark/system/journal.js';

describe('the journal', () => {
  const dir = mkdtempSync(join(tmpdir(), 'wanmark-journal-'));
  after(() => rmSync(dir, { recursive: true }));
  let made = 0;
  const newPath = () => join(dir, `events-${++made}`);
  const START: Happening = { kind: 'start', pid: 7, version: '1' };
  const rules = (error: string): Happening => ({ kind: 'rules', error });

  it('keeps events in order, with number and time, for whoever reads the file', () => {
    const path = newPath();
    const journal = new Journal(
      path,
      (error) => assert.ifError(error),
      () => new Date('2026-11-30T12:00:00Z'),
    );
    journal.note(START);
    journal.note(rules('locked'));
    journal.flush();
    assert.deepEqual(readJournal(path), [
      { number: 1, at: '2026-11-30T12:00:00.000Z', ...START },
      { number: 2, at: '2026-11-30T12:00:00.000Z', kind: 'rules', error: 'locked' },
    ]);
    assert.deepEqual(
      journal.after(1).map(({ number }) => number),
      [2],
    );
    assert.equal(statSync(path).mode & 0o777 & ~0o640, 0, 'nobody else may read it');
  });

  it('is written by itself from its beginning on, and until then not at all', async () => {
    const path = newPath();
    const journal = new Journal(path);
    const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    journal.note(START);
    await turn();
    assert.ok(!existsSync(path));
    journal.begin();
    assert.equal(readJournal(path).length, 1);
    journal.note(START);
    await turn();
    assert.equal(readJournal(path).length, 2);
  });

  it('goes on with the next number after a restart', () => {
    const path = newPath();
    const first = new Journal(path);
    first.note(START);
    first.flush();
    const second = new Journal(path);
    second.note(START);
    assert.deepEqual(
      second.after(0).map(({ number }) => number),
      [1, 2],
    );
  });

  it('tells whoever listens, until they do not any more, whatever becomes of one of them', () => {
    const faults: unknown[] = [];
    const journal = new Journal(newPath(), (error) => faults.push(error));
    const heard: Event[] = [];
    journal.listen(() => {
      throw new Error('deaf');
    });
    const end = journal.listen((event) => heard.push(event));
    journal.note(START);
    end();
    journal.note(START);
    assert.deepEqual(
      heard.map(({ number }) => number),
      [1],
    );
    assert.equal(faults.length, 2);
  });

  it('is bounded in lines', () => {
    const path = newPath();
    const journal = new Journal(path);
    for (let i = 0; i < 3000; i++) {
      journal.note(START);
      journal.flush();
    }
    const kept = readJournal(path);
    assert.equal(kept.at(-1)!.number, 3000);
    assert.equal(kept.length, 1000);
    assert.ok(readFileSync(path, 'utf8').split('\n').length < 1200);
    assert.equal(journal.after(0).length, 1000);
  });

  it('is bounded in bytes, and so is each text', () => {
    const path = newPath();
    const journal = new Journal(path);
    for (let i = 0; i < 2000; i++) {
      journal.note({ kind: 'repaired', missing: 99, lines: Array(99).fill('x'.repeat(99_999)) });
      journal.flush();
    }
    assert.ok(statSync(path).size <= 400_000, `${statSync(path).size}`);
    const [first] = readJournal(path) as [Event & { kind: 'repaired' }];
    assert.deepEqual([first.lines.length, first.lines[0]!.length], [20, 503]);
  });

  it('keeps what happened of the WANs however often something else fails, as on a full disk', () => {
    const path = newPath();
    const journal = new Journal(path);
    const down = { kind: 'state', target: 'fibre', family: 4, state: 'down', reason: 'no carrier' } as const;
    journal.note({ ...down, lastedSeconds: 9 });
    for (let i = 0; i < 2000; i++) {
      journal.note({ kind: 'rules', error: `cannot write, ${i}` });
      journal.note({ kind: 'repaired', missing: 20, lines: Array(20).fill('x'.repeat(400)) });
      journal.flush();
    }
    for (const kept of [readJournal(path), journal.after(0)]) {
      assert.deepEqual([kept[0]!.kind, kept[0]!.number, kept.at(-1)!.number], ['state', 1, 4001]);
      assert.ok(kept.length < 1000, `${kept.length}`);
    }
    assert.ok(statSync(path).size <= 400_000);
  });

  it('leaves out what is no event, and is read to its end', () => {
    const path = newPath();
    const good = JSON.stringify({ number: 5, at: '2026-11-30T12:00:00Z', kind: 'later' });
    writeFileSync(path, `{"number":1,"at":"20\nnull\n7\n[]\n{"kind":"x"}\n\xff\n${good}\n{"num`);
    assert.deepEqual(
      readJournal(path).map(({ number }) => number),
      [5],
      'a kind of a later version is kept',
    );
    appendFileSync(path, '\n');
    const journal = new Journal(path);
    journal.note(START);
    assert.deepEqual(
      journal.after(0).map(({ number }) => number),
      [5, 6],
    );
  });

  it('follows no link and waits for no FIFO; events stay in memory', () => {
    const faults: string[] = [];
    const open = (path: string) => new Journal(path, (error) => faults.push((error as Error).message));
    const [link, target, fifo] = [newPath(), newPath(), newPath()];
    writeFileSync(target, 'mine');
    symlinkSync(target, link);
    execFileSync('mkfifo', [fifo]);
    for (const path of [link, fifo, dir, join(dir, 'nowhere', 'events')]) {
      const journal = open(path);
      journal.note(START);
      journal.flush();
      assert.equal(journal.after(0).length, 1);
    }
    assert.equal(readFileSync(target, 'utf8'), 'mine');
    assert.match(faults.join('\n'), /ELOOP[\s\S]*(not a regular file|ENXIO)[\s\S]*ENOENT/);
  });

  it('is empty where there is no file', () => {
    assert.deepEqual(readJournal(newPath()), []);
  });
});
