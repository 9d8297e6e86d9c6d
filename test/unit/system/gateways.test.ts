import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { askGateway, isGatewaySilent, type NeighbourGateway } from '#wanmark/system/gateways.js';

const GATEWAY: NeighbourGateway = { family: 4, address: '192.0.2.1', index: 3 };
const refuse = () => {
  throw Object.assign(new Error('No such file or directory'), { errno: 2 });
};

describe('askGateway', () => {
  it('makes the kernel ask', () => {
    const probed: unknown[] = [];
    askGateway(GATEWAY, { probe: (...which) => probed.push(which), silent: () => [] });
    assert.deepEqual(probed, [[4, '192.0.2.1', 3]]);
  });

  it('does without an answer where the kernel refuses', () => {
    askGateway(GATEWAY, { probe: refuse, silent: () => [] });
  });
});

describe('isGatewaySilent', () => {
  const silent = (gateway: NeighbourGateway, ...those: [index: number, address: string][]) =>
    isGatewaySilent(gateway, {
      probe: () => {},
      silent: () => those.map(([index, address]) => ({ index, address })),
    });

  it('is so only for this address on this device', () => {
    assert.equal(silent(GATEWAY), false);
    assert.equal(silent(GATEWAY, [3, '192.0.2.2'], [4, '192.0.2.1']), false);
    assert.equal(silent(GATEWAY, [3, '192.0.2.2'], [3, '192.0.2.1']), true);
  });

  it('is so however the configuration spells the address', () => {
    const gateway: NeighbourGateway = { family: 6, address: 'FE80:0:0::00a1', index: 3 };
    assert.equal(silent(gateway, [3, 'fe80::a1']), true);
  });

  it('is not known where the kernel refuses', () => {
    assert.equal(isGatewaySilent(GATEWAY, { probe: () => {}, silent: refuse }), false);
  });
});
