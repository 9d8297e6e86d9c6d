import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import type { Writable } from 'node:stream';
import { describe, it, mock } from 'node:test';
import { type Dropped, Output } from '#wanmark/output.js';

/** An output whose descriptor answers what the test says. */
function made(maxBytes = 1000) {
  let failure: NodeJS.ErrnoException | undefined;
  let most = Number.POSITIVE_INFINITY;
  let text = '';
  const recovered: Dropped[] = [];
  mock.timers.enable({ apis: ['setTimeout'] });
  mock.method(fs, 'write', (_fd: number, bytes: Buffer, ...rest: unknown[]) => {
    const done = rest.at(-1) as (error: Error | null, written: number) => void;
    const written = Math.min(most, bytes.length);
    if (failure === undefined) text += bytes.subarray(0, written).toString();
    queueMicrotask(() => (failure === undefined ? done(null, written) : done(failure, 0)));
  });
  const output = new Output(fs.openSync('/dev/null', 'w'), {
    maxBytes,
    onRecovered: (dropped) => recovered.push(dropped),
  });
  return {
    output,
    recovered,
    fail: (code?: string) => {
      failure = code === undefined ? undefined : Object.assign(new Error(`${code}: no`), { code });
    },
    atMost: (bytes: number) => {
      most = bytes;
    },
    written: () => text,
    pass: async (ms: number) => {
      mock.timers.tick(ms);
      for (let i = 0; i < 100; i++) await Promise.resolve();
    },
  };
}

function real(): void {
  mock.restoreAll();
  mock.timers.reset();
}

describe('an output', () => {
  it('goes on with the rest of a line where a write was cut short, also after a full disk', async (t) => {
    t.after(real);
    const { output, fail, atMost, written, pass } = made();
    atMost(4);
    output.write('abcdefg\n');
    await pass(0);
    assert.equal(written(), 'abcdefg\n');
    fail('ENOSPC');
    output.write('second\n');
    await pass(10_000);
    fail();
    await pass(10_000);
    assert.equal(written(), 'abcdefg\nsecond\n');
  });

  it('drops and counts lines beyond its memory, and says so when writing works again', async (t) => {
    t.after(real);
    const { output, fail, written, recovered, pass } = made(14);
    fail('ENOSPC');
    for (const line of ['first\n', 'second\n', 'third\nfourth\n', 'fifth\n']) output.write(line);
    await pass(1000);
    assert.equal(output.dropped, 3);
    assert.deepEqual(recovered, []);
    fail();
    await pass(1000);
    assert.equal(written(), 'first\nsecond\n');
    assert.deepEqual(recovered, [{ lines: 3, why: 'ENOSPC: no' }]);
  });

  it('is done with a pipe that nobody will read', async (t) => {
    t.after(real);
    const { output, fail, pass } = made();
    fail('EPIPE');
    output.write('one\n');
    await pass(0);
    output.write('two\n');
    await output.end(1000);
    assert.equal(output.dropped, 1);
  });

  it('lets the process end while a reader stands still', async () => {
    const script = `
      const { Output } = await import(process.argv[1]);
      const output = new Output(1, { maxBytes: 1e7, onRecovered() {} });
      output.write('x'.repeat(1e6) + '\\n');
      await output.end(50);
      process.stderr.write('ended\\n');`;
    const argv = ['--input-type=module', '-e', script, import.meta.resolve('#wanmark/output.js')];
    // A shell's pipe, because node's own are sockets; its reader reads nothing until the writer has ended.
    const pipe = '{ "$@"; echo gone >&2; } | { read -r _ <&3; }';
    const child = spawn('sh', ['-c', pipe, 'sh', process.execPath, ...argv], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for await (const data of child.stderr!) {
      said += data;
      if (said.endsWith('gone\n')) (child.stdio[3] as Writable).end('read\n');
    }
    assert.equal(said, 'ended\ngone\n');
  });
});
