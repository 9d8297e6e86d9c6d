import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultGateway, defaultWays } from '#wanmark/system/main-routes.js';
import { type Route, RTN_UNICAST, RTN_UNREACHABLE } from '#wanmark/system/rtnetlink/routes.js';

const HOP = { index: 3, gateway: '192.0.2.1', foreign: false, dead: false };
const ROUTE: Route = { dst: 'default', type: RTN_UNICAST, table: 254, cloned: false, metric: 0, hops: [HOP] };

describe('defaultWays', () => {
  it('has one for each way of a default route, with the metric of the route', () => {
    const hops = [HOP, { ...HOP, index: 4, gateway: undefined }];
    assert.deepEqual(defaultWays([{ ...ROUTE, metric: 7, hops }]), [
      { index: 3, gateway: '192.0.2.1', metric: 7 },
      { index: 4, gateway: undefined, metric: 7 },
    ]);
  });

  it('leaves out ways that cannot be used, and other routes', () => {
    const hops = [
      { ...HOP, dead: true },
      { ...HOP, gateway: undefined, foreign: true },
    ];
    assert.deepEqual(
      defaultWays([
        { ...ROUTE, hops },
        { ...ROUTE, dst: '10.0.0.0/8' },
        { ...ROUTE, type: RTN_UNREACHABLE },
      ]),
      [],
    );
  });
});

describe('defaultGateway', () => {
  it("is the gateway of the device's route with the lowest metric, the first of equal ones", () => {
    const ways = [
      { index: 3, gateway: '192.0.2.1', metric: 200 },
      { index: 3, gateway: '192.0.2.2', metric: 100 },
      { index: 3, gateway: '192.0.2.3', metric: 100 },
      { index: 4, gateway: '198.51.100.1', metric: 0 },
    ];
    assert.equal(defaultGateway(ways, 3), '192.0.2.2');
    assert.equal(defaultGateway(ways, 4), '198.51.100.1');
    assert.equal(defaultGateway(ways, 5), undefined);
    assert.equal(defaultGateway([{ index: 9, gateway: undefined, metric: 0 }], 9), 'dev');
  });
});
