import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { it } from 'node:test';
import { needs, program } from '../../helpers/requires.js';
import { findPayload, unpackKernel } from '../../kernels/kernel-image.js';

/** An image as the kernel's build makes it: three sectors of set-up code, then code and the packed kernel. */
function image(packed: Buffer): Buffer {
  const head = Buffer.alloc(3 * 512 + 100);
  head.writeUInt8(2, 0x1f1);
  head.write('HdrS', 0x202);
  head.writeUInt16LE(0x020f, 0x206);
  head.writeUInt32LE(100, 0x248);
  head.writeUInt32LE(packed.length, 0x24c);
  return Buffer.concat([head, packed, Buffer.from('signature')]);
}

/** A file that is packed as in the kernel's build, with its length behind. */
function pack(argv: readonly string[], input: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(input.length);
  return Buffer.concat([execFileSync(argv[0]!, argv.slice(1), { input }), length]);
}

const KERNEL = Buffer.from('\x7fELF and more');

it('finds the kernel in an image', () => {
  assert.deepEqual(findPayload(image(Buffer.from('12345678'))), { offset: 3 * 512 + 100, length: 8 });
});

for (const name of ['xz', 'zstd']) {
  it(`unpacks one that is packed with ${name}`, needs(program(name)), () => {
    assert.deepEqual(unpackKernel(image(pack([name, '-c'], KERNEL))), KERNEL);
  });
}

it('refuses what is no image, or is cut off', () => {
  assert.throws(() => findPayload(KERNEL), /no kernel image/);
  assert.throws(() => findPayload(image(KERNEL).subarray(0, 3 * 512 + 105)), /cut off/);
  assert.throws(() => unpackKernel(image(KERNEL)), /compression/);
});
