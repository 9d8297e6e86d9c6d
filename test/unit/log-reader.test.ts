import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';

const LINE = `${'x'.repeat(1023)}\n`;
/** Says on standard error how many lines it dropped, and ends when the rest has been read. */
const WRITER = `
  const { createLog } = await import(process.argv[1]);
  const log = createLog();
  for (let i = 0; i < Number(process.argv[2]); i++) log.line(${JSON.stringify(LINE)});
  process.stderr.write(log.dropped() + '\\n');
  await log.end();`;
/** Once it is told to, counts the lines that a program writes, and those that are not whole. */
const READER = `exec 3<&0; "$@" </dev/null | { read -r _ <&3; exec awk 'length != 1023 { torn++ } END { print NR, torn + 0 }'; }`;

/** So many lines for somebody who reads nothing before the last is written. */
async function write(count: number): Promise<{ dropped: number; received: number; torn: number }> {
  const argv = ['--input-type=module', '-e', WRITER, import.meta.resolve('#wanmark/log.js'), String(count)];
  const child = spawn('sh', ['-c', READER, 'sh', process.execPath, ...argv], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const [said] = (await once(child.stderr, 'data')) as [Buffer];
  child.stdin.write('go on\n');
  const [received, torn] = (await text(child.stdout)).split(' ').map(Number);
  return { dropped: Number(said), received: received!, torn: torn! };
}

describe('the log of a reader who is slower', () => {
  it('keeps 16 MiB, and each line beyond is counted', async () => {
    const { dropped, received, torn } = await write(40_000);
    assert.deepEqual([received + dropped, torn], [40_000, 0]);
    const kept = received / 1024;
    assert.ok(kept > 15 && kept < 17, `${kept} MiB`);
  });

  it('drops nothing before', async () => {
    assert.deepEqual(await write(8000), { dropped: 0, received: 8000, torn: 0 });
  });
});
