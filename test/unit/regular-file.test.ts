import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { readRegular, whyUnread } from '#wanmark/regular-file.js';

const dir = mkdtempSync(join(tmpdir(), 'wanmark-test-'));
const at = (name: string) => join(dir, name);
const server = createServer().listen(at('socket'));
writeFileSync(at('file'), 'x'.repeat(100));
symlinkSync('file', at('link'));
symlinkSync('loop', at('loop'));
mkdirSync(at('folder'));
execFileSync('mkfifo', [at('fifo')]);

describe('a file that somebody put there', () => {
  after(() => {
    server.close();
    rmSync(dir, { recursive: true });
  });

  it('is read, also by a link and from /proc', () => {
    assert.equal(readRegular(at('file'), { most: 100 }).toString(), 'x'.repeat(100));
    assert.equal(readRegular(at('link'), { most: 100 }).length, 100);
    assert.match(readRegular('/proc/self/status', { most: 1 << 16 }).toString(), /^Pid:/m);
  });

  // A process that waits for a FIFO hears no signal.
  for (const [what, path, why, options] of [
    ['a FIFO that nobody writes into', at('fifo'), 'it is not a regular file'],
    ['a device without an end', '/dev/zero', 'it is not a regular file'],
    ['a folder', at('folder'), 'it is a directory'],
    ['a socket', at('socket'), 'ENXIO'],
    ['a link in a circle', at('loop'), 'ELOOP'],
    ['nothing', at('nothing'), 'ENOENT'],
    ['a link where none may be', at('link'), 'ELOOP', { noLink: true }],
    ['somebody else’s', at('file'), 'it belongs to somebody else', { owners: [65533] }],
    ['one that is too large', at('file'), 'it has 100 bytes, and may have 99', { most: 99 }],
    ['one of /proc that is too large', '/proc/self/status', 'it has more than 10 bytes', { most: 10 }],
  ] as const) {
    it(`is refused at once: ${what}`, () => {
      try {
        readRegular(path, { most: 1 << 20, ...options });
      } catch (error) {
        return assert.equal(whyUnread(error), why);
      }
      assert.fail('it was read');
    });
  }
});
