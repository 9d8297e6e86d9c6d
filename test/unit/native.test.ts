import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addonTarget } from '#wanmark/native.js';

describe('the addon that a process needs', () => {
  const glibc = '7f27c000-7f27d000 r--p 00000000 08:01 12 /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\n';
  const musl = '7f27c000-7f27d000 r--p 00000000 08:01 12 /lib/ld-musl-aarch64.so.1\n';

  it('is one for its libc and its processor', () => {
    assert.equal(addonTarget(glibc, 'x64'), 'linux-x64-glibc');
    assert.equal(addonTarget(musl, 'arm64'), 'linux-arm64-musl');
  });

  it('is one for the libc of this process', () => {
    const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
    assert.equal(addonTarget().endsWith('glibc'), header.glibcVersionRuntime !== undefined);
  });
});
