import assert from 'node:assert/strict';

/**
 * Parses every beginning of a dump, and the whole with each of its bytes replaced. Nothing may throw, and memory behind
 * the beginning must not be read, since the result would then differ.
 */
export function parseDamaged(dump: Uint8Array, parse: (messages: Uint8Array) => readonly unknown[]): void {
  const whole = parse(dump);
  for (let length = 0; length < dump.length; length++) {
    const results = [0x00, 0xff].map((filling) => {
      const memory = new Uint8Array(dump.length + 64).fill(filling);
      memory.set(dump.subarray(0, length), 8);
      return parse(memory.subarray(8, 8 + length));
    });
    assert.deepEqual(results[0], results[1], `reads beyond ${length} bytes`);
    assert.ok(results[0]!.length <= whole.length);
    // A message counts only when all of it is there.
    assert.deepEqual(results[0], whole.slice(0, results[0]!.length), `${length} bytes`);
  }
  for (let at = 0; at < dump.length; at++) {
    for (const value of [0x00, 0x01, 0x7f, 0xff]) parse(dump.with(at, value));
  }
}
