import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, utimesSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const CHECKOUT = fileURLToPath(new URL('../../', import.meta.url));
/** A source that no compiler reads, so that nothing is written anew while other tests run from it. */
const SOURCE = `${CHECKOUT}docs/benchmarks.md`;
/** In the environment of everything that a round starts. */
const TOKEN = `WANMARK_DEV_TEST=${process.pid}`;

/** The command lines of the processes that carry the token. */
function alive(): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      if (!readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(TOKEN)) return [];
      return [readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()];
    } catch {
      return []; // not a process, or one that ended in between
    }
  });
}

describe('npm run dev, without a terminal', () => {
  const env: NodeJS.ProcessEnv = { ...process.env, WANMARK_DEV_TEST: String(process.pid) };
  // With this variable the inner tests would report to the runner of this process.
  delete env.NODE_TEST_CONTEXT;
  const dev = spawn('npm', ['run', '--silent', 'dev', '--', 'unit/core/mark'], {
    cwd: CHECKOUT,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  after(() => dev.kill('SIGKILL'));
  const lines = createInterface(dev.stdout)[Symbol.asyncIterator]();

  /** The lines of one round, its last one included. */
  async function round(): Promise<string[]> {
    const said: string[] = [];
    for (;;) {
      const { value, done } = await lines.next();
      assert.ok(!done, said.join('\n'));
      said.push(value);
      if (value.startsWith('wanmark: ')) return said;
    }
  }

  it('runs the tests whose path has the name, and again after a change', async () => {
    const first = await round();
    assert.equal(first.at(-1), 'wanmark: passed; waiting for a change, Ctrl-C ends');
    assert.ok(first.some((line) => line.includes('unit/core/mark.test')));
    assert.ok(!first.some((line) => line.includes('unit/core/pool')));
    utimesSync(SOURCE, new Date(), new Date());
    assert.ok((await round()).some((line) => line.includes('unit/core/mark.test')));
  });

  it('ends in the middle of a round, and nothing that it started outlives it', async () => {
    utimesSync(SOURCE, new Date(), new Date());
    while (!alive().some((command) => command.includes('setup.sh'))) await sleep(10);
    dev.kill('SIGINT');
    await once(dev, 'exit');
    assert.deepEqual(alive(), []);
  });
});
