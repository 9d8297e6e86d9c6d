/** A daemon whose package is replaced while it runs, as `npm install --global` does: its files are gone at once. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { eventually } from '../helpers/router-state.js';
import { statusOf } from '../helpers/status.js';
import { tally } from '../helpers/traffic.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'wanmark-replaced-'));
after(() => rmSync(folder, { recursive: true }));

it(
  'a daemon goes on without the files of its version: a WAN dies, and a reload',
  needs(nfqueue, addon),
  async () => {
    for (const part of readdirSync(ROOT).filter((name) => name !== 'dist'))
      symlinkSync(join(ROOT, part), join(folder, part));
    cpSync(join(ROOT, 'dist'), join(folder, 'dist'), { recursive: true });
    const file = join(folder, 'wanmark.yaml');
    const write = (check: string) => writeFileSync(file, `check: [${check}]\n`);
    write('"all=ping,to=203.0.113.1,interval=1"');
    const options = { wans: 2, ipv6: false, up: [], run: ['--config', file] };
    await withLab(
      { ...options, main: join(folder, 'dist/cli/main.js') },
      async ({ lab, wanmark, daemon }) => {
        for (const name of readdirSync(join(folder, 'dist')))
          if (name.endsWith('.js')) rmSync(join(folder, 'dist', name));

        await lab.router.sh('ip link set wan1 down');
        const choice = await eventually(
          () => lab.router.counters('nat', 'WANMARK_KERNEL'),
          (rules) => !rules.some(({ rule }) => rule.includes('statistic')),
          'the kernel chooses without the dead WAN',
        );
        assert.ok(choice.length > 0);
        assert.deepEqual(tally(await lab.connect({ count: 4 })), { wan2: 4 });

        write('"all=tcp,to=203.0.113.1:7,interval=1"');
        await daemon.program.kill('SIGHUP');
        await daemon.program.waitForLine(/"reloaded"/);
        await lab.router.sh('ip link set wan1 up');
        await eventually(
          async () => (await statusOf(wanmark)).wans,
          (wans) => wans.every(({ state, checks }) => state === 'up' && checks[0]?.kind === 'tcp'),
          'the new check passes by both',
        );
      },
    );
  },
);
