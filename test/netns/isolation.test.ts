/** What becomes of connections, and of the daemon's end, when every part of it that is no decision fails. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SERVER } from '#wanmark/lab/network.js';
import { BROKEN } from '../helpers/faulty-parts.js';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { tally } from '../helpers/traffic.js';

const FAULTY = fileURLToPath(new URL('../helpers/faulty-parts.js', import.meta.url));
/** In modules, of which the strategy gets the same as the daemon. */
const MAIN = fileURLToPath(import.meta.resolve('#wanmark/cli/main.js'));
const FAILED = '"msg":"a part of the daemon failed; the others go on"';

describe('a daemon whose parts fail', needs(nfqueue, addon), () => {
  it('decides all the same, says each failure once, and ends', async () => {
    const check = `all=ping,to=${SERVER[4]},interval=0.2`;
    const run = ['--strategy', FAULTY, '--hook', '/bin/true', '--check', check];
    await withLab({ wans: 3, up: [], run, main: MAIN }, async ({ lab, wanmark, daemon }) => {
      const { program } = daemon;
      const failed = (what: string) => (line: string) => line.includes(FAILED) && line.includes(what);
      assert.deepEqual(tally(await lab.connect({ count: 30 })), { wan3: 30 });
      assert.deepEqual(tally(await lab.connect({ count: 30, family: 6 })), { wan3: 30 });
      await program.waitForLine(failed('CheckHealth.round'));

      // A client of the socket gets an answer, though no status.
      const { code } = await wanmark.command(['status'], 'any');
      assert.equal(code, 1);

      await lab.router.sh('ip link set wan3 down');
      await program.waitForLine(failed('Hooks.changed'));
      await program.waitForLine(failed('Failover.changed'));
      assert.deepEqual(tally(await lab.connect({ count: 30 })), { wan2: 30 });

      await daemon.stop();
      const said = program.lines.filter((line) => line.includes(FAILED));
      const broken = said.map((line) => (JSON.parse(line) as { error: string }).error);
      for (const one of ['Control.close', 'Mover.stop', 'Uplinks.stop', 'Hooks.stop', 'RulesKeeper.stop']) {
        assert.ok(broken.includes(`broken: ${one}`), one);
      }
      assert.ok(
        broken.every((error) => BROKEN.some((one) => error === `broken: ${one}`)),
        broken.join(),
      );
      assert.ok(said.length < 4 * BROKEN.length, 'each is said once for each place that calls it');
      // Not the last line, since the rules' keeper, whose stop is broken, may still say something.
      assert.ok(program.lines.some((line) => line.includes('"msg":"stopped"')));
      assert.equal((await lab.router.sh('cat /proc/net/netfilter/nfnetlink_queue')).stdout, '');
    });
  });
});
