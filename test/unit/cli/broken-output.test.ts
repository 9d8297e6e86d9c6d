import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

/** Runs a command of wanmark in a shell, `$0` with its arguments being the command. */
function inShell(script: string) {
  const argv = ['-c', script, process.execPath, MAIN, 'completion', 'bash'];
  const { stderr, status } = spawnSync('bash', argv, { encoding: 'utf8' });
  return [status, stderr];
}

describe('an output that cannot be written', () => {
  it('ends a command with one line where the disk is full', () => {
    assert.deepEqual(inShell('"$0" "$@" >/dev/full'), [
      1,
      'wanmark: standard output cannot be written: ENOSPC: no space left on device, write\n',
    ]);
  });

  it('ends it in silence where its reader has gone', () => {
    // The reader is gone before the command begins.
    assert.deepEqual(inShell('set -o pipefail; { sleep 0.1; "$0" "$@"; } | true'), [0, '']);
  });

  it('is borne on standard error, too', () => {
    assert.deepEqual(inShell('"$0" "$@" >/dev/full 2>/dev/full'), [1, '']);
  });
});
