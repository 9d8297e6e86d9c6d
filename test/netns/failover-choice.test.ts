/**
 * How a WAN's death reaches the kernel's own choice: by an iptables-restore for each family, which the daemon starts itself.
 * A wrapper holds every shell, and with it the executor, so that nothing else can have done it.
 */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Daemon, wanArguments } from '#wanmark/lab/wanmark.js';
import { withLab } from '../helpers/lab.js';
import { MAIN } from '../helpers/main.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { eventually } from '../helpers/router-state.js';
import { statusOf } from '../helpers/status.js';
import { kernelMarks, plug, waitForKernel } from '../helpers/uplinks.js';

const PROGRAMS = ['sh', 'ip', 'iptables-restore', 'ip6tables-restore', 'iptables-save', 'ip6tables-save'];

const folder = mkdtempSync(join(tmpdir(), 'wanmark-choice-'));
after(() => rmSync(folder, { recursive: true }));
const started = join(folder, 'started');
/** While it is there, no shell goes on. */
const hold = join(folder, 'hold');

for (const name of PROGRAMS) {
  const waiting = name === 'sh' ? `while [ -e ${hold} ]; do sleep 0.05; done` : ':';
  const text = `#!/bin/sh\necho ${name} >>${started}\n${waiting}\nPATH=\${PATH#*:}\nexec ${name} "$@"\n`;
  writeFileSync(join(folder, name), text);
  chmodSync(join(folder, name), 0o755);
}

const programs = () => readFileSync(started, 'utf8').split('\n').filter(Boolean);

/** Holds shells from a moment on at which the daemon starts no program: a second without one says so. */
async function holdShells(): Promise<void> {
  do {
    writeFileSync(started, '');
    await setTimeout(1000);
  } while (programs().length > 0);
  writeFileSync(hold, '');
  writeFileSync(started, '');
}

describe('the kernel’s own choice', needs(nfqueue, addon), () => {
  it('leaves a WAN out that dies by two programs, one for each family, and by no shell', async () => {
    await withLab({ wans: 3, up: [] }, async ({ lab, wanmark }) => {
      writeFileSync(started, '');
      const argv = ['env', `PATH=${folder}:${process.env.PATH}`, process.execPath, MAIN, 'run'];
      const program = lab.router.spawn([...argv, ...wanArguments(lab.wans), '--up-after', '0']);
      await program.waitForLine((line) => line.includes('"msg":"started"'));
      const daemon = new Daemon(program);
      await eventually(
        () => statusOf(wanmark),
        ({ wans }) => wans.every(({ state }) => state === 'up'),
        'all are up',
      );
      await holdShells();
      assert.equal(`${await kernelMarks(lab)} ${await kernelMarks(lab, 6)}`, '1,2,3 1,2,3');
      await plug(lab, lab.wans[1]!.gateway, false);
      await eventually(
        async () => `${await kernelMarks(lab)} ${await kernelMarks(lab, 6)}`,
        (marks) => marks === '1,3 1,3',
        'the kernel chooses wan1 and wan3',
      );
      // The shell is that of the pass behind it, which waits.
      const direct = programs().filter((name) => name !== 'sh');
      assert.deepEqual(direct.toSorted(), ['ip6tables-restore', 'iptables-restore']);
      rmSync(hold);
      // The pass behind it finds nothing that it has to put back.
      await plug(lab, lab.wans[1]!.gateway, true);
      await waitForKernel(lab, 3);
      await daemon.stop();
      assert.deepEqual(
        daemon.program.lines.filter((line) => line.includes('were missing')),
        [],
      );
    });
  });
});
