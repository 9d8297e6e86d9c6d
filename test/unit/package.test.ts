import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { CHECKOUT, packFreshClone } from '../helpers/tarball.js';

interface Manifest {
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

describe('the package, packed from a clone in which nothing is built', () => {
  const folder = mkdtempSync(join(tmpdir(), 'wanmark-package-'));
  after(() => rmSync(folder, { recursive: true }));
  const { files } = packFreshClone(folder);

  it('has the files that its bin and exports name', () => {
    const { bin, exports } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8')) as Manifest;
    const named = [...Object.values(bin), ...Object.values(exports).flatMap((one) => Object.values(one))];
    for (const name of named) assert.ok(files.includes(name.replace('./', '')), name);
  });

  it('has the sources of the addon and the scripts', () => {
    for (const name of ['binding.gyp', 'native/addon.cc', 'scripts/wanmark.sh']) {
      assert.ok(files.includes(name), name);
    }
  });

  it('has nothing that only a build needs', () => {
    assert.deepEqual(
      files.filter((name) => name.endsWith('.tsbuildinfo')),
      [],
    );
  });
});
