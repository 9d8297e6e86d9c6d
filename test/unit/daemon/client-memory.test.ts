import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Stickiness, type StickyBy } from '#wanmark/core/stickiness.js';
import { ClientMemory } from '#wanmark/daemon/client-memory.js';

const HOUR = 3_600_000;
/** Keys are 16 bits a character, so also halves of a surrogate pair. */
const ODD = '\ud800\n"\u0000\udfff';

describe('the memory of clients', () => {
  let directory: string;
  let path: string;
  let now: number;
  beforeEach(() => {
    mock.timers.enable({ apis: ['setInterval'] });
    directory = mkdtempSync(join(tmpdir(), 'wanmark-clients-'));
    path = join(directory, 'clients');
    now = performance.now();
  });
  afterEach(() => {
    mock.timers.reset();
    rmSync(directory, { recursive: true });
  });

  /** That of a daemon with a policy `web`. */
  function begin(
    by: StickyBy = 'src+dst',
    write?: (path: string, slices: Iterable<string>) => Promise<void>,
  ) {
    const warnings: string[] = [];
    const logger = { warn: (text: string) => void warnings.push(text) } as never;
    const memory = new ClientMemory({ path, now: () => now, logger, ...(write && { write }) });
    const stickiness = new Stickiness({ by, forMs: HOUR, bound: undefined }, () => now);
    memory.keep('web', stickiness);
    memory.begin();
    return { memory, tables: stickiness.tables, warnings };
  }
  const look = async () => {
    now += 500;
    mock.timers.tick(500);
    await setImmediate();
  };

  it('has what a daemon knew, with the time that is left', async () => {
    const first = begin();
    first.tables[4].keep(ODD, 'fibre');
    first.tables[6].keep('b', 'dsl');
    now += HOUR / 4;
    first.tables[4].keep('c', 'dsl');
    await first.memory.stop();
    now += HOUR / 4;
    const { memory, tables, warnings } = begin();
    assert.deepEqual([tables[4].get(ODD), tables[6].get('b'), tables[4].get('c')], ['fibre', 'dsl', 'dsl']);
    now += HOUR / 2 + 1;
    assert.deepEqual([tables[4].get(ODD), tables[4].get('c')], [undefined, 'dsl']);
    assert.deepEqual(warnings, []);
    await memory.stop();
  });

  it('belongs to one policy, and to clients that are told apart by the same', async () => {
    const first = begin();
    first.tables[4].keep('a', 'fibre');
    await first.memory.stop();
    const { tables, memory } = begin('src');
    assert.equal(tables[4].size, 0);
    const other = new Stickiness({ by: 'src+dst', forMs: HOUR, bound: undefined }, () => now);
    memory.keep('mail', other);
    assert.equal(other.tables[4].size, 0);
    await memory.stop();
  });

  it('is left alone after a boot, and where a line is none of ours', async () => {
    const first = begin();
    first.tables[4].keep('a', 'fibre');
    await first.memory.stop();
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, `${text}["web",4]\nnull\n["web","src+dst",4,"dsl","b"`);
    assert.equal(begin().tables[4].size, 1);
    writeFileSync(path, text.replace(/"boot":"[^"]*"/, '"boot":"another"'));
    assert.equal(begin().tables[4].size, 0);
  });

  it('is written when it has changed, in slices, and the more seldom the longer that takes', async () => {
    const written: number[] = [];
    let tookMs = 0;
    const { tables, memory } = begin('src+dst', async (_, slices) => {
      written.push([...slices].length);
      now += tookMs;
    });
    await look();
    await look();
    assert.equal(written.length, 1, 'once, since it has begun');
    for (let i = 0; i < 2500; i++) tables[4].keep(`${i}`, 'fibre');
    tookMs = 50;
    await look();
    assert.deepEqual(written, [1, 3]);
    tables[4].keep('another', 'fibre');
    for (let i = 0; i < 9; i++) await look();
    assert.equal(written.length, 2, '50 ms are one percent of five seconds');
    await look();
    assert.equal(written.length, 3);
    await memory.stop();
  });

  it('is not kept where it cannot be written, which is said once', async () => {
    const { tables, memory, warnings } = begin('src+dst', async () => {
      throw new Error('ENOSPC');
    });
    tables[4].keep('a', 'fibre');
    await look();
    await look();
    await memory.stop();
    assert.deepEqual(warnings, ['sticky clients cannot be kept for the next daemon: ENOSPC']);
  });
});
