import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CommandLines } from '../helpers/command-lines.js';
import { withLab } from '../helpers/lab.js';
import { MAIN } from '../helpers/main.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { statusOf } from '../helpers/status.js';
import { kernelMarks } from '../helpers/uplinks.js';

describe('a mistake of wanmark set', needs(nfqueue, addon), () => {
  it('is one line and exit 2 and changes nothing; without a daemon it is exit 1', async () => {
    await withLab({ weights: [1, 0], ipv6: false, up: [], run: [] }, async ({ lab, wanmark, daemon }) => {
      const commandLines = CommandLines.on(lab.router);
      const refuses = async (args: string[], complaint: RegExp, code = 2) => {
        const result = await commandLines.run('set', ...args);
        assert.match(result.stderr, complaint);
        assert.match(result.stderr, /^wanmark: [^\n]+\n$/, 'one line');
        assert.deepEqual([result.status, result.stdout], [code, '']);
      };
      for (const [args, complaint] of [
        [[], /set needs the name of a WAN or backend first, for example wanmark set fibre weight=0/],
        [['wan1'], /nothing to set for wan1; add for example weight=0 or state=down/],
        [['wna1', 'weight=5'], /there is no WAN "wna1"; did you mean "wan1"\? there are wan1, wan2/],
        [['wan1', 'wieght=5'], /unknown key "wieght"; did you mean "weight"\?/],
        [['wan1', 'weight=-1'], /weight "-1" must be a whole number, 0 to 65535/],
        [['wan1', 'state=up'], /state "up" must be down or auto/],
        [['wan1', 'weight=0', 'state=down'], /with weight 0 for wan1 every WAN has weight 0/],
        [['wan1', '--weight=0'], /unknown option --weight; see wanmark set --help/],
      ] as const) {
        await refuses([...args], complaint);
      }
      assert.deepEqual(
        daemon.program.lines.filter((line) => line.includes('"msg":"set"')),
        [],
      );
      assert.deepEqual(await kernelMarks(lab), [1]);
      const [first] = (await statusOf(wanmark)).wans;
      assert.deepEqual([first?.state, first?.weight], ['up', 1]);
      await refuses(
        ['wan1', 'weight=5', '--socket', '/run/nobody.sock'],
        /no daemon answers on \/run\/nobody.sock \(ENOENT\); start one with wanmark run/,
        1,
      );
      await daemon.stop();
      await refuses(['wan1', 'weight=5'], /no daemon answers on \/run\/wanmark\/wanmark.sock/, 1);
    });
  });

  it('is a state for a bare mark, which has only a weight', async () => {
    await withLab({ wans: 2, ipv6: false }, async ({ lab, wanmark }) => {
      const program = lab.router.spawn([process.execPath, MAIN, 'run', '--high-mark', '2']);
      await program.waitForLine((line) => line.includes('"msg":"started"'));
      const { stdout } = await wanmark.command(['set', 'mark2', 'weight=0']);
      assert.equal(stdout, 'mark2: weight 0 (drain), was 1\n');
      const { code, stderr } = await wanmark.command(['set', 'mark1', 'state=down'], 'any');
      assert.equal(code, 2);
      assert.match(
        stderr,
        /^wanmark: mark1 is a bare mark, and only your own rules know [^\n]*; use weight=0\n$/,
      );
      const { wans } = await statusOf(wanmark);
      assert.deepEqual(
        wans.map(({ state }) => state),
        ['up', 'drain'],
      );
      await program.kill('SIGTERM');
      assert.equal((await program.exited).code, 0);
    });
  });
});
