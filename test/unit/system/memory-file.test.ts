import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { readLines, readMemory, writeLines, writeMemory } from '#wanmark/system/memory-file.js';
import { readState, writeState } from '#wanmark/system/state-file.js';

describe('the file of a memory', () => {
  const dir = mkdtempSync(join(tmpdir(), 'wanmark-memory-'));
  const path = join(dir, 'memory');
  process.env.WANMARK_STATE = dir;
  after(() => rmSync(dir, { recursive: true }));

  it('is read as it was written, and replaced in one step', () => {
    writeMemory(path, { some: 1 });
    writeMemory(path, { some: 2 });
    assert.deepEqual(readMemory(path), { some: 2 });
    assert.deepEqual(readdirSync(dir), ['memory']);
  });

  it('is written whatever lies in place of the new one, and nowhere else', async () => {
    const victim = join(dir, 'victim');
    const fresh = `${path}.new`;
    writeFileSync(victim, 'as it was');
    for (const put of [
      () => execFileSync('mkfifo', [fresh]),
      () => symlinkSync(victim, fresh),
      () => writeFileSync(fresh, 'left by a killed one'),
    ]) {
      put();
      writeMemory(path, { some: 1 });
      assert.deepEqual(readMemory(path), { some: 1 });
      put();
      await writeLines(path, ['{"some":', '3}\n']);
      assert.deepEqual(readLines(path), ['{"some":3}']);
      put();
      await writeState(path, { some: 4 });
      assert.deepEqual(readState(path), { some: 4 });
    }
    assert.equal(readFileSync(victim, 'utf8'), 'as it was');
    assert.deepEqual(readdirSync(dir), ['memory', 'victim']);
    writeMemory(path, { some: 2 });
  });

  it('means nothing after a boot, in another network, or where it is not whole', () => {
    const text = readFileSync(path, 'utf8');
    for (const other of [
      text.replace(/"boot":"[^"]*"/, '"boot":"another"'),
      text.replace(/"netns":"[^"]*"/, '"netns":"net:[1]"'),
      text.slice(0, -3),
      'null',
    ]) {
      writeFileSync(path, other);
      assert.equal(readMemory(path), undefined, other);
    }
    rmSync(path);
    assert.equal(readMemory(path), undefined);
  });
});
