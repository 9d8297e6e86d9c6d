import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseBytes } from '#wanmark/system/rtnetlink/link-bytes.js';
import { LINKS } from './dumps.js';
import { parseDamaged } from './truncation.js';

describe('the counters of a device', () => {
  /** The message about g1, which begins behind that about lo. */
  const G1 = LINKS.subarray(0x44c);

  it('are read from its message', () => {
    assert.deepEqual(parseBytes(G1.subarray(0, 0x464)), { in: 220, out: 0 });
  });

  it('are undefined without a message', () => {
    assert.equal(parseBytes(new Uint8Array(0)), undefined);
  });

  it('are read within the message, however it is cut or damaged', () => {
    parseDamaged(G1.subarray(0, 0x464), (bytes) => [parseBytes(bytes) ?? []].flat());
  });
});
