import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dump, dumpLater } from '#wanmark/system/rtnetlink/socket.js';
import { addon, needs } from '../../../helpers/requires.js';

const RTM_GETLINK = 18;
const RTM_GETRULE = 34;
/** A family that no kernel has rules of, as IPv6 where it was booted without. */
const ABSENT = 200;

describe('a dump', needs(addon), () => {
  it('of rules of a family that the kernel does not have is empty', async () => {
    const question = Uint8Array.of(ABSENT, ...new Array(11).fill(0));
    assert.equal(dump(RTM_GETRULE, question).length, 0);
    assert.equal((await dumpLater(RTM_GETRULE, question)).length, 0);
  });

  it('of what the kernel does not understand is an error', async () => {
    assert.throws(() => dump(RTM_GETLINK | 0x1000, new Uint8Array(0)), { errno: 95 });
    await assert.rejects(dumpLater(RTM_GETLINK | 0x1000, new Uint8Array(0)), { errno: 95 });
  });
});
