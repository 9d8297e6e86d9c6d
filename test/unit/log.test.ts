import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';

const LINE = `${'x'.repeat(1023)}\n`;
/** Says on standard error how many lines it dropped, and ends when the rest has been read. */
const WRITER = `
  const { createLog } = await import(process.argv[1]);
  const log = await createLog();
  for (let i = 0; i < Number(process.argv[2]); i++) log.line(${JSON.stringify(LINE)});
  process.stderr.write(log.dropped() + '\\n');
  log.flush();`;
/** Reads what a program writes, once it is told to. A pipe of the shell's blocks, as a user's does; one of Node's does not. */
const READER = `exec 3<&0; "$@" </dev/null | { read -r _ <&3; exec cat; }`;

/** So many lines for somebody who reads nothing before the last is written. */
async function write(count: number): Promise<{ dropped: number; received: string[] }> {
  const argv = ['--input-type=module', '-e', WRITER, import.meta.resolve('#wanmark/log.js'), String(count)];
  const child = spawn('sh', ['-c', READER, 'sh', process.execPath, ...argv], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const [said] = (await once(child.stderr, 'data')) as [Buffer];
  child.stdin.write('end\n');
  const received = (await text(child.stdout)).split('\n').slice(0, -1);
  return { dropped: Number(said), received };
}

describe('the log of a reader who is slower', () => {
  it('keeps 16 MiB, and each line beyond is counted', async () => {
    const { dropped, received } = await write(40_000);
    assert.ok(
      received.every((line) => line.length === LINE.length - 1),
      'whole lines',
    );
    assert.equal(received.length + dropped, 40_000);
    const kept = received.length / 1024;
    assert.ok(kept > 15 && kept < 17, `${kept} MiB`);
  });

  it('drops nothing before', async () => {
    const { dropped, received } = await write(8000);
    assert.deepEqual([dropped, received.length], [0, 8000]);
  });
});
