import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How a kernel is compressed, by its first bytes, and what decompresses it from a file to standard output. */
const COMPRESSIONS: readonly { readonly magic: string; readonly argv: readonly string[] }[] = [
  // Behind the stream stands its length, which xz and zstd would take for another stream.
  { magic: 'fd377a585a00', argv: ['xz', '-dc', '--single-stream'] },
  { magic: '28b52ffd', argv: ['zstd', '-dcq'] },
];

/** A place in a kernel image. */
export interface Payload {
  readonly offset: number;
  readonly length: number;
}

/**
 * Where the compressed kernel is in an image, by the boot protocol: Documentation/arch/x86/boot.rst, setup_sects,
 * payload_offset and payload_length (version 2.08 and later).
 * @throws {Error} when it is no such image
 */
export function findPayload(image: Buffer): Payload {
  const hasHeader = image.length > 0x250 && image.toString('latin1', 0x202, 0x206) === 'HdrS';
  if (!hasHeader || image.readUInt16LE(0x206) < 0x0208) throw new Error('no kernel image of x86');
  const setup = (image.readUInt8(0x1f1) + 1) * 512;
  const payload = { offset: setup + image.readUInt32LE(0x248), length: image.readUInt32LE(0x24c) };
  if (payload.offset + payload.length > image.length) throw new Error('the kernel image is cut off');
  return payload;
}

/** The kernel's ELF file out of an image, which an emulator starts at once. Decompressing in emulation takes a minute. */
export function unpackKernel(image: Buffer): Buffer {
  const { offset, length } = findPayload(image);
  // The last four bytes are the length of what comes out.
  const packed = image.subarray(offset, offset + length - 4);
  const compression = COMPRESSIONS.find(({ magic }) => packed.toString('hex', 0, magic.length / 2) === magic);
  if (compression === undefined) throw new Error('a kernel image with a compression that is not known here');
  const folder = mkdtempSync(join(tmpdir(), 'wanmark-kernel-'));
  try {
    const file = join(folder, 'packed');
    writeFileSync(file, packed);
    const [program, ...args] = compression.argv;
    return execFileSync(program!, [...args, file], { maxBuffer: 1 << 28 });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
