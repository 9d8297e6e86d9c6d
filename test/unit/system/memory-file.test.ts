import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { readMemory, writeMemory } from '#wanmark/system/memory-file.js';

describe('the file of a memory', () => {
  const dir = mkdtempSync(join(tmpdir(), 'wanmark-memory-'));
  const path = join(dir, 'memory');
  after(() => rmSync(dir, { recursive: true }));

  it('is read as it was written, and replaced in one step', () => {
    writeMemory(path, { some: 1 });
    writeMemory(path, { some: 2 });
    assert.deepEqual(readMemory(path), { some: 2 });
    assert.deepEqual(readdirSync(dir), ['memory']);
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
