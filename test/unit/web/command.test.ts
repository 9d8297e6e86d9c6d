import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runCli, startCli } from '../../helpers/cli.js';

describe('the command web', () => {
  it('refuses in a line what would show all to everybody', async () => {
    for (const [flags, said] of [
      [
        ['--listen', '0.0.0.0:0'],
        /^wanmark: listen 0\.0\.0\.0 can be reached .* needs --token-file FILE[^\n]*\n$/,
      ],
      [['--listen', 'everywhere'], /^wanmark: listen "everywhere" must be an address with a port[^\n]*\n$/],
      // No browser would ever send these.
      [
        ['--host', 'http://router.lan/'],
        /^wanmark: host "http:\/\/router\.lan\/" must be a name alone[^\n]*\n$/,
      ],
      [['--host', 'router.lan:8080'], /^wanmark: host "router\.lan:8080" must be a name alone[^\n]*\n$/],
      [['--token-file', '/nowhere'], /^wanmark: token-file "\/nowhere" cannot be read: ENOENT\n$/],
    ] as const) {
      const { code, stdout, stderr } = await runCli('web', ...flags);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, said);
    }
  });

  it('says where it is, answers without a daemon, and ends in order', async () => {
    const web = startCli('web', '--listen', '127.0.0.1:0', '--socket', '/nowhere/socket');
    const url = await web.waitForLine(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    assert.match(await (await fetch(`${url}metrics`)).text(), /^wanmark_daemon_up 0$/m);
    await web.kill('SIGTERM');
    assert.deepEqual(await web.exited, { code: 0, signal: null });
    assert.equal(web.stderr, '');
  });
});
