import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { runLimited } from '#wanmark/system/limited.js';

const LONG_MS = 60_000;
const shell = (text: string): [string, string, string] => ['sh', '-c', text];

describe('a program with a time limit', () => {
  it('tells its exit code and last words, and reads its input', async () => {
    const end = await runLimited(shell('cat; echo "$A" >&2; exit 7'), {
      input: 'one\n',
      env: { A: 'two' },
      timeoutMs: LONG_MS,
    });
    assert.deepEqual([end.code, end.why], [7, undefined]);
    assert.match(end.said, /^(one|two)$/);
    const killed = await runLimited(shell('kill -9 $$'), { timeoutMs: LONG_MS });
    assert.deepEqual([killed.code, killed.why], [undefined, 'SIGKILL']);
    const missing = await runLimited(['/no/such/program'], { timeoutMs: LONG_MS });
    assert.deepEqual([missing.code, missing.why], [undefined, 'ENOENT']);
    const deaf = await runLimited(['true'], { input: 'x'.repeat(1_000_000), timeoutMs: LONG_MS });
    assert.equal(deaf.code, 0);
  });

  it('ends at the limit and when it is cancelled, also before it began', async () => {
    const end = await runLimited(shell('sleep 999'), { timeoutMs: 20 });
    assert.deepEqual([end.code, end.why], [undefined, 'timeout']);
    const abort = new AbortController();
    const running = runLimited(shell('sleep 999'), { timeoutMs: LONG_MS, signal: abort.signal });
    abort.abort();
    assert.equal((await running).why, 'cancelled');
    assert.equal((await runLimited(['true'], { timeoutMs: LONG_MS, signal: abort.signal })).why, 'cancelled');
  });

  it('leaves no descriptor, whatever happens', async () => {
    const use = () => readdirSync('/proc/self/fd').length;
    await runLimited(['true'], { timeoutMs: LONG_MS });
    const before = use();
    for (let i = 0; i < 10; i++) {
      await runLimited(['true'], { timeoutMs: LONG_MS });
      await runLimited(['/no/such/program'], { timeoutMs: LONG_MS });
      await runLimited(shell('sleep 999'), { timeoutMs: 1 });
    }
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(use() <= before + 3, `${before} -> ${use()}`);
  });
});
