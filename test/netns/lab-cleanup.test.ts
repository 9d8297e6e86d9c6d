import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { startCli } from '../helpers/cli.js';
import { withLab } from '../helpers/lab.js';
import { family, leftovers } from '../helpers/processes.js';
import { addon, namespaces, needs, nfqueue } from '../helpers/requires.js';
import { eventually } from '../helpers/router-state.js';

/** Starts a lab that waits with its daemon running, and returns it with its processes. */
async function startAndLook() {
  const program = startCli('lab', '--shell', '--connections', '2');
  await program.until(() => (/Ctrl-C ends the lab/.test(program.stderr) ? true : undefined), 'the lab is up');
  const members = family(program.pid);
  // The command, unshare, the first process, and for each of the daemon and three hosts' programs an nsenter as well.
  assert.ok(members.length >= 11, `${members.length} processes`);
  return { program, members };
}

function nothingLeft(members: Parameters<typeof leftovers>[0]) {
  return eventually(
    async () => leftovers(members),
    (left) => left.length === 0,
    'processes or namespaces that are left',
  );
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  test(`${signal} takes everything away before the command ends`, needs(nfqueue, addon), async () => {
    const { program, members } = await startAndLook();
    await program.kill(signal);
    const { code } = await program.exited;
    assert.equal(code, { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal]);
    await nothingLeft(members);
    assert.doesNotMatch(program.stderr, /wanmark: /);
  });
}

test('kill -9 leaves no process and no namespace', needs(nfqueue, addon), async () => {
  const { program, members } = await startAndLook();
  await program.kill('SIGKILL');
  assert.equal((await program.exited).signal, 'SIGKILL');
  await nothingLeft(members);
});

test('a signal while the lab is built leaves nothing', needs(namespaces), async () => {
  const program = startCli('lab');
  const members = await eventually(
    async () => family(program.pid),
    (found) => found.length > 2,
    'it starts the first programs',
  );
  await program.kill('SIGINT');
  await program.exited;
  await nothingLeft(members);
});

test('stop ends the programs on the hosts, and can be called again', needs(namespaces), async () => {
  // The machine's own programs, and other tests, write there, too.
  const ours = () => readdirSync('/run').filter((name) => /netns|wanmark/.test(name));
  const before = ours();
  let members: ReturnType<typeof family> = [];
  await withLab({ wans: 1 }, async ({ lab }) => {
    const program = lab.router.spawn(['sleep', '1000']);
    members = await eventually(
      async () => family(program.pid),
      (found) => found.length === 2,
      'nsenter and sleep',
    );
    await lab.stop();
    assert.equal((await program.exited).signal, 'SIGKILL');
    await lab.stop();
  });
  await nothingLeft(members);
  assert.deepEqual(ours(), before);
});

test('a signal for a program on a host reaches the program, not the nsenter', needs(namespaces), () =>
  withLab({ wans: 1 }, async ({ lab }) => {
    const program = lab.router.spawn([
      'sh',
      '-c',
      'trap "echo got it; exit 7" TERM; echo ready; while :; do read x; done',
    ]);
    await program.waitForLine(/ready/);
    await program.kill('SIGTERM');
    // The shell runs its trap when the read returns.
    program.write('\n');
    assert.deepEqual(await program.exited, { code: 7, signal: null });
    assert.equal(program.stdout, 'ready\ngot it\n');
  }),
);
