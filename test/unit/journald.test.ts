import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { leadsToJournal, severityOfLevel } from '#wanmark/journald.js';
import { MAIN } from '../helpers/main.js';

const LOG = import.meta.resolve('#wanmark/log.js');

describe("the journal's severities", () => {
  const dir = mkdtempSync(join(tmpdir(), 'wanmark-journald-'));
  after(() => rmSync(dir, { recursive: true }));

  /** Runs a program whose outputs are a file that the environment says is the journal's. */
  function written(argv: readonly string[], says: (file: string) => string = (file) => file): string {
    const path = join(dir, 'stream');
    const fd = openSync(path, 'w');
    const { dev, ino } = fstatSync(fd);
    const env = { ...process.env, JOURNAL_STREAM: says(`${dev}:${ino}`) };
    spawnSync(process.execPath, argv, { env, stdio: ['ignore', fd, fd] });
    closeSync(fd);
    return readFileSync(path, 'utf8');
  }

  const script = `
    const { createLog } = await import(${JSON.stringify(LOG)});
    const log = createLog();
    log.logger.info('fine');
    log.logger.warn('wan down');
    log.logger.error('lost');
    log.line('{"level":30,"msg":"mark"}\\n');
    await log.end();`;
  const RUN = ['--input-type=module', '-e', script];

  it('stand before lines of the log that are more than information', () => {
    const lines = written(RUN).trimEnd().split('\n');
    assert.deepEqual(
      lines.map((line) => line.slice(0, line.indexOf('{'))),
      ['', '<4>', '<3>', ''],
    );
    for (const line of lines) JSON.parse(line.slice(line.indexOf('{')));
  });

  it('stand nowhere else: not where the stream is another, or is none', () => {
    for (const says of [() => '1:2', () => '', () => 'x', () => ':'])
      assert.doesNotMatch(written(RUN, says), /^<\d>/m, says());
  });

  it('stand before what a command complains of', () => {
    assert.match(written([MAIN, 'set']), /^<3>wanmark: set needs the name of a WAN/);
  });

  it('follow the levels of the log', () => {
    assert.deepEqual([10, 20, 30, 40, 50, 60].map(severityOfLevel), [7, 7, 6, 4, 3, 3]);
    assert.equal(leadsToJournal(99_999, { JOURNAL_STREAM: '1:2' }), false, 'no such descriptor');
  });
});
