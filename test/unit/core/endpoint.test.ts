import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseEndpoint } from '#wanmark/core/endpoint.js';

describe('an endpoint', () => {
  it('is an address with a port', () => {
    assert.deepEqual(parseEndpoint('192.0.2.1:80'), { address: '192.0.2.1', family: 4, port: 80 });
    assert.deepEqual(parseEndpoint('[2001:db8::1]', 53), { address: '2001:db8::1', family: 6, port: 53 });
    assert.deepEqual(parseEndpoint('2001:db8::1', 53), { address: '2001:db8::1', family: 6, port: 53 });
    for (const text of ['', ':80', '192.0.2.1:', '192.0.2.1:99999', '[fe80::1%x]:1', 'a:1', '192.0.2.1']) {
      assert.equal(parseEndpoint(text), undefined, text);
    }
  });
});
