import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findHookUser, parseUser } from '#wanmark/system/hook-user.js';
import { programsAs } from '#wanmark/system/programs.js';

const LIMITS = { timeoutMs: 60_000 };
const MODULES = ['hook-user', 'programs'].map((name) =>
  fileURLToPath(import.meta.resolve(`#wanmark/system/${name}.js`)),
);

/** Runs a process with the rights that a command gives it. It prints what an expression resolves to, as JSON. */
function runAs(rights: string, expression: string) {
  const load = `const [{ findHookUser }, { programsAs }] = await Promise.all(${JSON.stringify(MODULES)}.map((file) => import(file)));`;
  const script = `${load} console.log(JSON.stringify(await ${expression}));`;
  const [command, ...args] = rights.split(' ');
  return promisify(execFile)(command!, [...args, process.execPath, '--input-type=module', '-e', script]);
}

describe('programs of the configuration', () => {
  let dir: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'wanmark-programs-'));
    chmodSync(dir, 0o755);
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  const program = (name: string, text: string) => {
    const file = join(dir, name);
    writeFileSync(file, `#!/bin/sh\n${text}\n`);
    chmodSync(file, 0o755);
    return file;
  };

  it('are run, and no longer when somebody else can write them', async () => {
    const run = programsAs(undefined);
    const file = program('hook', 'echo ran');
    assert.deepEqual(await run([file], LIMITS), { code: 0, why: undefined, said: 'ran' });
    chmodSync(file, 0o757);
    assert.deepEqual(await run([file], LIMITS), {
      code: undefined,
      why: `not run, since others can write ${file} (mode 0757)`,
      said: '',
    });
    const { why } = await run([join(dir, 'gone')], LIMITS);
    assert.equal(why, 'ENOENT');
  });

  it('are run as another user, without capabilities', { skip: process.geteuid!() !== 0 }, async () => {
    const user = await findHookUser('nobody');
    const file = program(
      'whoami',
      'echo $(id -un) $(id -gn) $HOME $(grep -E "Cap(Inh|Eff|Amb)" /proc/self/status)',
    );
    const whoami = new RegExp(`^nobody nogroup ${user.home}(\\s+Cap...:\\s+0+){3}$`);
    assert.match((await programsAs(user)([file], LIMITS)).said, whoami);
    // A service that is not root has capabilities that programs inherit; it can read this test's files, too.
    const caps = '+setuid,+setgid,+kill,+net_admin,+dac_override';
    const service = `setpriv --reuid 1 --regid 1 --clear-groups --inh-caps ${caps} --ambient-caps ${caps}`;
    const { stdout } = await runAs(
      service,
      `programsAs(${JSON.stringify(user)})(['${file}'], { timeoutMs: 60000 })`,
    );
    assert.match(JSON.parse(stdout).said, whoami);
  });

  it('are not begun where this process cannot become that user', {
    skip: process.geteuid!() !== 0,
  }, async () => {
    const { stdout } = await runAs(
      'setpriv --bounding-set -setuid,-setgid --inh-caps=-all',
      "findHookUser('nobody').catch(({ message }) => message)",
    );
    assert.match(
      JSON.parse(stdout),
      /^cannot run programs as hook-user nobody: it needs root, or CAP_SETUID, /,
    );
  });

  it('cannot be run as that user: the reason is not an exit code of theirs', async () => {
    const nobody = { name: 'nobody', uid: 2 ** 31, gid: 65534, home: '/' };
    const { code, why } = await programsAs(nobody)([program('any', 'exit 0')], LIMITS);
    assert.equal(code, undefined);
    assert.match(why ?? '', /^setpriv: /);
  });
});

describe('the user of hooks', () => {
  it('must exist', async () => {
    await assert.rejects(findHookUser('wanmark-nosuch'), {
      name: 'UsageError',
      message:
        /^hook-user "wanmark-nosuch" does not exist; useradd --system wanmark-nosuch, or leave it out$/,
    });
  });

  it('is found by its whole name', () => {
    const lines = 'rooty:x:7:7::/:/bin/sh\nroot:x:0:0:root:/root:/bin/sh\n';
    assert.deepEqual(parseUser('root', lines), { name: 'root', uid: 0, gid: 0, home: '/root' });
    assert.equal(parseUser('roo', lines), undefined);
  });
});
