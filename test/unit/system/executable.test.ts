import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { checkProgram, checkStrategyFile } from '#wanmark/system/executable.js';

describe('checkProgram', () => {
  let dir: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'wanmark-program-'));
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  it('takes a program, and says what else is wrong', () => {
    const file = (name: string, mode: number) => {
      writeFileSync(join(dir, name), '#!/bin/sh\n', { mode });
      return join(dir, name);
    };
    checkProgram('--hook', file('good', 0o755));
    const refuses = (path: string, complaint: RegExp) =>
      assert.throws(() => checkProgram('--hook', path), { message: complaint, exitCode: 2 });
    // This also holds for root, whom the kernel lets run any file that somebody may run.
    refuses(file('plain', 0o644), /^--hook \S+plain is not executable; chmod \+x \S+plain$/);
    refuses(join(dir, 'gone'), /^--hook \S+gone does not exist; correct the path$/);
    refuses(join(dir, 'good', 'below'), /^--hook \S+below cannot be used: ENOTDIR/);
    const open = file('open', 0o755);
    chmodSync(open, 0o757);
    refuses(
      open,
      /^--hook \S+open is refused, since others can write \S+open \(mode 0757\); chmod go-w \S+open$/,
    );
    refuses(dir, /^--hook \S+ is not a file; give a program$/);
  });

  it('refuses a strategy file that others can write, too, by any path to it', () => {
    const path = join(dir, 'strategy.mjs');
    writeFileSync(path, '');
    chmodSync(path, 0o644);
    for (const name of [path, 'round-robin', join(dir, 'gone.mjs')]) checkStrategyFile(name);
    chmodSync(path, 0o666);
    const message =
      /^strategy file \S+strategy\.mjs is refused, since others can write \S+ \(mode 0666\); chmod go-w /;
    for (const name of [path, relative(process.cwd(), path)]) {
      assert.throws(() => checkStrategyFile(name), { message, exitCode: 2 });
    }
  });
});
