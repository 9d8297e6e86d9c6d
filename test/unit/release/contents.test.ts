import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { CHECKOUT } from '../../helpers/tarball.js';
import { compareContents } from '../../release/contents.js';
import { examineBundled, examineLicences, installedPackages } from '../../release/licences.js';

describe('what a tarball contains', () => {
  const list = '# a comment\n\nREADME.md\ndist/**/*.js\nnative/*/*.cc\n';

  it('is what the list names', () => {
    assert.deepEqual(compareContents(['README.md', 'dist/a/b/c.js', 'native/js/addon.cc'], list), []);
  });

  it('is told where it is more or less', () => {
    assert.deepEqual(compareContents(['READMEXmd', 'dist/a/b.js', 'native/addon.cc'], list), [
      'READMEXmd is not in packaging/npm/contents.txt',
      'native/addon.cc is not in packaging/npm/contents.txt',
      'there is no README.md, which packaging/npm/contents.txt names',
      'there is no native/*/*.cc, which packaging/npm/contents.txt names',
    ]);
  });
});

describe('a release', () => {
  it('has the version of package.json at the head of the changelog', () => {
    const { version } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8')) as {
      version: string;
    };
    const changelog = readFileSync(join(CHECKOUT, 'CHANGELOG.md'), 'utf8');
    assert.equal(/^## (\S+)/m.exec(changelog)?.[1], version);
  });

  it('brings packages along whose licences allow it', () => {
    const packages = installedPackages(CHECKOUT);
    assert.ok(packages.includes('node_modules/node-addon-api'));
    assert.deepEqual(examineLicences(CHECKOUT, packages), []);
    assert.deepEqual(examineBundled('pino 10.4.0 (MIT)\n\nThe text\n'), []);
    assert.equal(examineBundled('pino 10.4.0 (GPL-3.0)\n').length, 1);
  });

  it('is refused for another licence, and for one without its text', () => {
    const folder = mkdtempSync(join(tmpdir(), 'wanmark-licences-'));
    const said = (license: string) => {
      writeFileSync(join(folder, 'package.json'), JSON.stringify({ license }));
      return examineLicences(folder, ['']).join();
    };
    assert.match(said('GPL-3.0'), /has the licence "GPL-3.0", which is not one of /);
    assert.match(said('MIT'), /has no text of its licence$/);
    rmSync(folder, { recursive: true });
  });
});
