import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { wanArguments } from '#wanmark/lab/wanmark.js';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';

describe('check and refresh with flags', needs(nfqueue, addon), () => {
  it('go by the last up, and say when the flags are of another configuration', async () => {
    await withLab({ wans: 2, ipv6: false, up: ['--priority', '500'] }, async ({ lab, wanmark }) => {
      const command = (...args: string[]) => wanmark.command(args, 'any');
      const same = [...wanArguments(lab.wans), '--priority', '500'];
      for (const flags of [[], same, [...same, '--queue-num', '0']]) {
        for (const verb of ['check', 'refresh']) {
          const { code, stderr } = await command(verb, ...flags);
          assert.deepEqual([code, stderr], [0, ''], `${verb} ${flags.join(' ')}`);
        }
      }
      const other = await command('check', ...wanArguments(lab.wans));
      assert.equal(other.code, 1);
      assert.match(other.stderr, /^wanmark: the rules are those of another configuration; wanmark up .*\n$/);
      const refreshed = await command('refresh', ...wanArguments(lab.wans));
      assert.equal(refreshed.code, 0);
      assert.match(refreshed.stderr, /another configuration/);
      assert.match((await lab.router.exec(['ip', 'rule'])).stdout, /^500:\s+from all lookup main suppress/m);
      const wrong = await command('check', '--priority', 'high');
      assert.equal(wrong.code, 2);
      assert.equal(wrong.stderr.split('\n').length, 2, wrong.stderr);
    });
  });

  it('are one line and exit code 1 where there was no up', async () => {
    await withLab({ wans: 2, ipv6: false }, async ({ wanmark }) => {
      for (const verb of ['check', 'refresh']) {
        const { code, stderr } = await wanmark.command([verb], 'any');
        assert.deepEqual([code, stderr], [1, "wanmark: is not up; run 'wanmark up' first\n"], verb);
      }
    });
  });
});
