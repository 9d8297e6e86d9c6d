import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { CHECKOUT } from '../helpers/tarball.js';

/** Only what is refused is tried here, so nothing is built. */
describe('npm run build:native on a machine that lacks something', () => {
  const folder = mkdtempSync(join(tmpdir(), 'wanmark-build-native-'));
  after(() => rmSync(folder, { recursive: true }));
  symlinkSync(process.execPath, join(folder, 'node'));
  for (const name of ['dirname', 'sh']) symlinkSync(`/bin/${name}`, join(folder, name));

  function build(): string[] {
    const { status, stdout, stderr } = spawnSync('/bin/sh', [join(CHECKOUT, 'native/build.sh')], {
      env: { PATH: folder },
      encoding: 'utf8',
    });
    assert.equal(status, 1, stderr);
    assert.equal(stdout, '');
    return stderr.trimEnd().split('\n');
  }

  function program(name: string, text: string): void {
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(folder, name), 0o755);
  }

  it('says each thing that is missing in a line, with its packages', () => {
    assert.deepEqual(build(), [
      'wanmark: the addon cannot be built without a C++ compiler (g++) (Debian: apt-get install g++; Alpine: apk add g++)',
      'wanmark: the addon cannot be built without make (Debian: apt-get install make; Alpine: apk add make)',
      'wanmark: the addon cannot be built without python3, which node-gyp runs on (Debian: apt-get install python3; Alpine: apk add python3)',
      'wanmark: node-gyp is not on the PATH; npm has one: npm run build:native',
    ]);
  });

  it('says that the compiler is too old, or that the headers of the kernel are missing', () => {
    for (const name of ['make', 'python3', 'node-gyp']) program(name, 'exit 1');
    program('g++', 'exit 1');
    assert.match(build().join(), /without a compiler for C\+\+20 with its library \(g\+\+ is not one\)/);
    program('g++', 'while read -r line; do case $line in *linux/*) exit 1 ;; esac; done');
    assert.match(
      build().join(),
      /without the kernel's headers .* apt-get install linux-libc-dev; Alpine: apk add linux-headers\)$/,
    );
  });
});
