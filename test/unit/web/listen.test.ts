import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UsageError } from '#wanmark/errors.js';
import { needToken, parseHostName, parseListen } from '#wanmark/web/listen.js';

describe('where the page is served', () => {
  it('is an address with a port', () => {
    assert.deepEqual(parseListen('127.0.0.1:8080'), { host: '127.0.0.1', port: 8080, isLoopback: true });
    assert.deepEqual(parseListen('[::1]:0'), { host: '::1', port: 0, isLoopback: true });
    assert.deepEqual(parseListen('[2001:db8::1]:80'), { host: '2001:db8::1', port: 80, isLoopback: false });
    for (const text of ['8080', 'localhost:8080', '127.0.0.1', '127.0.0.1:', '127.0.0.1:65536', '::1:80', ''])
      assert.throws(() => parseListen(text), UsageError, text);
  });

  it('needs a token wherever another machine could ask', () => {
    const refuses = (text: string) => {
      try {
        needToken(parseListen(text), false);
        return false;
      } catch (error) {
        assert.match((error as Error).message, /needs --token-file/);
        return true;
      }
    };
    const open = ['0.0.0.0:1', '[::]:1', '192.0.2.1:1', '[fe80::1]:1', '[::ffff:192.0.2.1]:1', '128.0.0.1:1'];
    assert.deepEqual(open.filter(refuses), open);
    assert.deepEqual(['127.0.0.1:1', '127.255.0.9:1', '[::1]:1'].filter(refuses), []);
    needToken(parseListen('0.0.0.0:1'), true);
  });

  it('has names as browsers send them, whatever their case', () => {
    assert.equal(parseHostName('Router.LAN'), 'router.lan');
    assert.equal(parseHostName('xn--bcher-kva.example'), 'xn--bcher-kva.example');
  });
});
