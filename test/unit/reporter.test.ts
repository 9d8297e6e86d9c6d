import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { TestEvent } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import report from '../reporter.js';

const REPORTER = fileURLToPath(new URL('../reporter.js', import.meta.url));
const HEAD = "import { it, describe } from 'node:test'; import assert from 'node:assert/strict';";

const FILES = {
  'good.test.mjs': `${HEAD} it('is well', () => {}); it('lacks something', { skip: 'needs a modem' }, () => {});`,
  'bad.test.mjs': `${HEAD}
describe('outer', () => {
  it('is wrong', () => assert.deepEqual({ wan: 1 }, { wan: 2 }));
  it('says why', () => assert.equal(3, 4, 'the third WAN'));
});`,
  'crash.test.mjs': "process.stderr.write('out of luck\\n'); process.exit(3);",
};

/** Runs the files as scripts/test.sh does. */
function run(dir: string) {
  const env: NodeJS.ProcessEnv = { ...process.env };
  // With this variable the inner tests would report to the runner of this process.
  delete env.NODE_TEST_CONTEXT;
  const argv = ['--test', `--test-reporter=${REPORTER}`, ...Object.keys(FILES)];
  return spawnSync(process.execPath, argv, { cwd: dir, env, encoding: 'utf8' });
}

async function reported(events: readonly unknown[]): Promise<string[]> {
  let text = '';
  async function* source() {
    yield* events as TestEvent[];
  }
  for await (const part of report(source())) text += part;
  return text.split('\n');
}

describe('the reporter of the tests', () => {
  const dir = mkdtempSync(join(tmpdir(), 'wanmark-reporter-'));
  after(() => rmSync(dir, { recursive: true }));
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(dir, name), text);
  const { status, stdout } = run(dir);
  const totals = stdout.indexOf('\n# tests ');

  it('leaves the exit code as it is', () => assert.equal(status, 1));

  it('has a line for each file and names the skipped', () => {
    assert.match(stdout, /^ok +\d+\.\d s {2}good\.test\.mjs$/m);
    assert.match(stdout, /^FAILED +\d+\.\d s {2}bad\.test\.mjs$/m);
    assert.match(stdout, /^FAILED +\d+\.\d s {2}crash\.test\.mjs$/m);
    assert.match(stdout, /^skipped: good\.test\.mjs:1 > lacks something: needs a modem$/m);
    assert.match(stdout, /^# fail 3$/m);
  });

  it('shows a failure in full, with the place in its source', () => {
    assert.match(
      stdout.slice(0, totals),
      /FAILED bad\.test\.mjs:3 > outer > is wrong\n.*\n.*\n[\s\S]*bad\.test\.mjs:3:/,
    );
  });

  it('ends with each failure, where it is and why', () => {
    assert.deepEqual(stdout.slice(stdout.indexOf('\n\n', totals)).trim().split('\n'), [
      'FAILED bad.test.mjs:3 > outer > is wrong',
      '    Expected values to be strictly deep-equal:',
      '    + actual - expected',
      '      {',
      '    +   wan: 1',
      '    -   wan: 2',
      '      }',
      'FAILED bad.test.mjs:4 > outer > says why',
      '    the third WAN',
      '    3 !== 4',
      'FAILED crash.test.mjs',
      '    ended with exit code 3',
      '    out of luck',
    ]);
  });

  it('names failures in the last 60 lines, however many and long they are', async () => {
    const message = Array(100).fill('x'.repeat(1000)).join('\n');
    const failures = Array.from({ length: 200 }, (_, n) => ({
      type: 'test:fail',
      data: {
        name: `test ${n}`,
        nesting: 0,
        file: 'a.test.js',
        line: n,
        details: { error: { cause: new Error(message) } },
      },
    }));
    const last = (await reported(failures)).slice(-60);
    const from = last.indexOf('slowest files:');
    assert.match(last.slice(from).join('\n'), /^FAILED a\.test\.js:0 > test 0$/m);
    assert.match(last.join('\n'), /^and 187 more, see "FAILED" above$/m);
    assert.ok(last.slice(from).every((line) => line.length < 200));
  });

  it('shows the slowest files', async () => {
    const files = Array.from({ length: 20 }, (_, n) => ({
      type: 'test:complete',
      data: {
        name: `${n}.test.js`,
        file: `${n}.test.js`,
        nesting: 0,
        details: { passed: true, duration_ms: n * 1000 },
      },
    }));
    const lines = await reported(files);
    const shown = lines.slice(lines.indexOf('slowest files:') + 1).filter((line) => line !== '');
    assert.equal(shown.length, 15);
    assert.equal(shown[0], '   19.0 s  19.test.js');
  });
});
