import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultGateway } from '#wanmark/system/main-routes.js';

describe('defaultGateway', () => {
  it('is that of the route with the lowest metric by the device, of equal ones the first', () => {
    const routes = [
      [3, '192.0.2.1', 200],
      [3, '192.0.2.2', 100],
      [3, '192.0.2.3', 100],
      [4, '198.51.100.1', 0],
    ] as const;
    assert.equal(defaultGateway(routes, 3), '192.0.2.2');
    assert.equal(defaultGateway(routes, 4), '198.51.100.1');
    assert.equal(defaultGateway(routes, 5), undefined);
    assert.equal(defaultGateway([[9, '', 0]], 9), 'dev');
  });
});
