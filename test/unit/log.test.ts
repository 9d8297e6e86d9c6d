import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, it, mock } from 'node:test';
import { createLog, type Log } from '#wanmark/log.js';

describe('the log', {
  skip: process.stdout.isTTY && 'stdout is a terminal, where the log is for people',
}, () => {
  const written: string[] = [];
  let log: Log;

  before(async () => {
    mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
    mock.method(fs, 'write', (...args: unknown[]) => {
      const text = String(args[1]);
      written.push(text);
      (args.at(-1) as (error: null, length: number) => void)(null, Buffer.byteLength(text));
    });
    log = createLog();
  });
  after(async () => {
    await log.end();
    mock.restoreAll();
    mock.timers.reset();
  });

  it('writes nothing while there is nothing to write', () => {
    mock.timers.tick(10_000);
    assert.deepEqual(written, []);
  });

  it('writes lines within 50 ms, those of the mark log in their place', () => {
    log.line!('{"a":1}\n');
    log.logger.warn('between');
    log.line!('{"b":2}\n');
    assert.deepEqual(written, [], 'several are one write');
    mock.timers.tick(50);
    const names = written
      .join('')
      .trimEnd()
      .split('\n')
      .map((line) => Object.keys(JSON.parse(line))[0]);
    assert.deepEqual(names, ['a', 'level', 'b']);
    written.length = 0;
    mock.timers.tick(10_000);
    assert.deepEqual(written, []);
    log.logger.info('once more');
    mock.timers.tick(50);
    assert.equal(written.length, 1);
  });

  it('holds nothing that a terminal would obey, whatever it is told', () => {
    written.length = 0;
    log.logger.warn({ reason: '\x9b2J\u202e\x1b[31m' }, '\x9b2J');
    mock.timers.tick(50);
    const [line] = written;
    assert.doesNotMatch(line!.trimEnd(), /[\p{Cc}\p{Cf}]/u);
    const { reason, msg } = JSON.parse(line!);
    assert.deepEqual([reason, msg], ['\x9b2J\u202e\x1b[31m', '\x9b2J']);
  });
});
