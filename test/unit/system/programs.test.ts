import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { findHookUser, parseUser } from '#wanmark/system/hook-user.js';
import { programsAs } from '#wanmark/system/programs.js';

const LIMITS = { timeoutMs: 60_000 };

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
    const file = program('whoami', 'echo "$(id -un) $HOME $(grep CapEff /proc/self/status | tr -d "\\t")"');
    const { said } = await programsAs(user)([file], LIMITS);
    assert.match(said, new RegExp(`^nobody ${user.home} CapEff:0+$`));
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
