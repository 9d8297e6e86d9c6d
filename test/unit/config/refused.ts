import assert from 'node:assert/strict';
import { UsageError } from '#wanmark/errors.js';

/** Asserts that `parse` refuses what a user wrote: in one line, and so that the command ends with exit code 2. */
export function assertRefused(parse: () => unknown, complaint: RegExp): void {
  assert.throws(parse, (error) => {
    assert.ok(error instanceof UsageError, String(error));
    assert.match(error.message, complaint);
    assert.ok(!error.message.includes('\n'), error.message);
    assert.equal(error.exitCode, 2);
    return true;
  });
}
