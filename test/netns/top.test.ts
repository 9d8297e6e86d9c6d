/** What an operator sees on a terminal: `top`, and `status` with colours and lines that fit. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue, program } from '../helpers/requires.js';
import { statusOf } from '../helpers/status.js';
import { TestTerminal } from '../helpers/terminal.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const TOP = [process.execPath, MAIN, 'top'];
const STATUS = [process.execPath, MAIN, 'status'];
/** The alternate screen without a cursor, and back. */
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const SIGTERM = 15;
const SIGHUP = 1;

describe('on a terminal', needs(nfqueue, addon, program('python3')), () => {
  it('top shows, drains, sets down, lists, fits every size, and survives a restart of the daemon', async () => {
    await withLab({ wans: 2, ipv6: false, up: [], run: [] }, async ({ lab, wanmark, daemon }) => {
      await lab.connect({ count: 10, hold: true });
      const top = new TestTerminal(lab.router, TOP);
      await top.until(
        (frame) => frame.some((line) => /^> {2}wan1 {2}up .* 5 /.test(line)),
        'wan1, chosen, with 5 connections',
      );
      assert.ok(top.output.startsWith(ENTER));
      assert.ok(
        top.frame.some((line) => /wanmark .* started/.test(line)),
        top.frame.join('\n'),
      );
      assert.equal(top.frame.length, 24);
      for (const [columns, rows] of [
        [40, 10],
        [200, 60],
        [80, 24],
      ] as const) {
        top.resize(columns, rows);
        await top.until((frame) => frame.length === rows, `${rows} lines`);
        const widest = Math.max(...top.frame.map((line) => line.length));
        assert.ok(widest <= columns, `${widest} in ${columns}`);
        assert.ok(top.frame.some((line) => line.includes('wan1')));
      }

      // Down, then drain; a question comes first, and anything but y is no.
      top.send('\x1b[Bd');
      await top.until((frame) => frame.at(-1)!.startsWith('drain wan2'), 'a question');
      top.send('n');
      await top.until((frame) => frame.at(-1)!.startsWith('q quit'), 'the keys');
      top.send('dy');
      await top.until((frame) => frame.some((line) => /^> {2}wan2 {2}drain/.test(line)), 'wan2 drains');
      assert.equal((await statusOf(wanmark)).wans[1]!.weight, 0);
      top.send('u');
      await top.until((frame) => frame.some((line) => /^> {2}wan2 {2}up/.test(line)), 'wan2 is up again');
      top.send('sy');
      await top.until((frame) => frame.some((line) => /^> {2}wan2 {2}down/.test(line)), 'wan2 is down');
      await top.until(
        (frame) => frame.some((line) => /wan2 IPv4 down .*set down by hand/.test(line)),
        'the event',
      );
      top.send('k');
      await top.until((frame) => frame.some((line) => /^> {2}wan1/.test(line)), 'wan1 is chosen');
      top.send('c');
      await top.until((frame) => /^tcp [\d.]+:\d+ -> [\d.]+:7 ESTABLISHED$/.test(frame[1]!), 'connections');
      top.send('b');
      await top.until((frame) => frame.some((line) => line.startsWith('> ')), 'the WANs again');

      await daemon.stop();
      await top.until((frame) => frame[0]!.startsWith('no daemon answers for '), 'it says so');
      const second = await wanmark.run();
      await top.until((frame) => /^wanmark \d+ {2}up/.test(frame[0]!), 'the new daemon');
      top.send('q');
      assert.deepEqual(await top.end(), { code: 0, raw: false });
      assert.ok(top.output.endsWith(LEAVE));

      for (const signal of [SIGTERM, SIGHUP]) {
        const other = new TestTerminal(lab.router, TOP, { columns: 40, rows: 10 });
        await other.until((frame) => frame.length === 10, 'a frame');
        other.signal(signal);
        assert.deepEqual(await other.end(), { code: 0, raw: false });
        assert.ok(other.output.endsWith(LEAVE));
      }

      const wide = new TestTerminal(lab.router, STATUS);
      assert.equal((await wide.end()).code, 0);
      assert.ok(wide.output.includes('\x1b[32mup\x1b[0m'), 'colours');
      // biome-ignore lint/suspicious/noControlCharactersInRegex: colours
      const lines = wide.output.replaceAll(/\x1b\[\d+m/g, '').split(/\r?\n/);
      assert.deepEqual(
        lines.filter((line) => line.length > 80),
        [],
      );
      const plain = new TestTerminal(lab.router, STATUS, { env: { NO_COLOR: '1' } });
      await plain.end();
      assert.equal(plain.output.includes('\x1b'), false);

      const user = ['setpriv', '--reuid', '64901', '--regid', '64901', '--clear-groups', ...STATUS];
      const refused = await lab.router.exec(user, { okCodes: 'any' });
      assert.deepEqual(
        [refused.code, refused.stderr],
        [1, 'wanmark: permission denied: /run/wanmark/wanmark.sock; use sudo\n'],
      );
      const piped = await wanmark.command(['top'], 'any');
      assert.deepEqual(
        [piped.code, piped.stderr],
        [2, 'wanmark: top needs a terminal; use wanmark status --watch\n'],
      );
      await second.stop();
    });
  });
});
