import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { run } from '#wanmark/system/run.js';

describe('run', () => {
  it('tells how a program ended, also one that could not be started', async () => {
    const { code, stdout, stderr } = await run(['sh', '-c', 'echo out; echo err >&2; exit 3']);
    assert.deepEqual([code, stdout, stderr], [3, 'out\n', 'err\n']);
    assert.equal((await run(['/no/such/program'])).code, 127);
    // For E2BIG, as for ENOMEM, Node throws instead of calling back.
    const huge = await run(['true', 'x'.repeat(4_000_000)]);
    assert.equal(huge.code, 128);
    assert.match(huge.stderr, /E2BIG/);
  });
});
