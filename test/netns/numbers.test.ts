/** A WAN's number, which is its mark, belongs to its name for as long as the rules are there. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Daemon, Wanmark } from '#wanmark/lab/wanmark.js';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { tally } from '../helpers/traffic.js';

/** The marks that a daemon logs at its start, as `name=mark`. */
function marks(daemon: Daemon): string[] {
  const started = JSON.parse(daemon.program.lines.find((line) => line.includes('"msg":"started"'))!);
  return started.wans.map(({ name, mark }: { name: string; mark: number }) => `${name}=${mark}`);
}

describe('the mark of a WAN', needs(nfqueue, addon), () => {
  it('is that of the rules even if the daemon’s list has another order, and connections follow it', async () => {
    await withLab({ wans: 2, ipv6: false, up: [] }, async ({ lab, wanmark }) => {
      const turned = new Wanmark(lab, lab.wans.toReversed());
      const daemon = await turned.run();
      assert.deepEqual(marks(daemon), ['wan2=2', 'wan1=1']);
      assert.deepEqual(tally(await lab.connect({ count: 4 })), { wan1: 2, wan2: 2 });
      await daemon.stop();
      assert.deepEqual([...new Set(daemon.decisions.map(({ wan, mark }) => `${wan}=${mark}`))].sort(), [
        'wan1=1',
        'wan2=2',
      ]);
      await wanmark.down();
      const alone = await turned.run();
      assert.deepEqual(marks(alone), ['wan2=1', 'wan1=2'], 'without rules the place in the list counts');
      await alone.stop();
    });
  });
});
