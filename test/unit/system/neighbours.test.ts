import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { askNeighbours, sharedGateways } from '#wanmark/system/neighbours.js';

const SHARED = parseConfig({
  wan: [
    { name: 'a', dev: 'w1', via: '192.0.2.1' },
    { name: 'b', dev: 'w1', via: '192.0.2.3', via6: 'fe80::1' },
    { name: 'c', dev: 'w2', via: 'auto', via6: 'dev' },
  ],
});
const ALONE = parseConfig({ wan: [{ name: 'a', dev: 'w1', via: '192.0.2.1' }] });
const A = 'w1 192.0.2.1';
const B = 'w1 192.0.2.3';

/** A kernel that knows `known`, and the neighbours it was asked for after `looks` pauses. */
class World {
  readonly asked: string[] = [];
  slept = 0;

  constructor(
    readonly known: string[],
    readonly looks: number,
    readonly refuses = false,
  ) {}

  readonly sleep = async (ms: number) => {
    this.slept += ms;
  };

  readonly kernel = {
    links: () => [{ name: 'w1', index: 3, type: 1, flags: 1 }],
    neighbours: () =>
      [...this.known, ...(this.slept >= 100 * this.looks ? this.asked : [])].map((address) => ({
        index: 3,
        address,
        mac: `02:00:00:00:00:0${address.at(-1)}`,
      })),
    resolve: (_family: number, address: string, index: number) => {
      assert.equal(index, 3);
      if (this.refuses) throw Object.assign(new Error('Network is down'), { errno: 100 });
      this.asked.push(address);
    },
  };
}

describe('sharedGateways', () => {
  it('are those of WANs that have the device of another one of the same family', () => {
    assert.deepEqual(sharedGateways(SHARED), [
      { family: 4, dev: 'w1', via: '192.0.2.1' },
      { family: 4, dev: 'w1', via: '192.0.2.3' },
    ]);
    assert.deepEqual(sharedGateways(ALONE), []);
  });
});

describe('askNeighbours', () => {
  it('asks for unknown addresses, and waits until they are known', async () => {
    const world = new World(['192.0.2.1'], 3);
    const macs = await askNeighbours(SHARED, new Map(), world);
    assert.deepEqual(world.asked, ['192.0.2.3']);
    assert.equal(world.slept, 300);
    assert.deepEqual(
      macs,
      new Map([
        [A, '02:00:00:00:00:01'],
        [B, '02:00:00:00:00:03'],
      ]),
    );
  });

  it('does not wait where all addresses are known, and asks for nothing where no device is shared', async () => {
    for (const [config, known] of [
      [SHARED, ['192.0.2.1', '192.0.2.3']],
      [ALONE, []],
    ] as const) {
      const world = new World([...known], 0);
      await askNeighbours(config, new Map(), world);
      assert.deepEqual([world.asked, world.slept], [[], 0]);
    }
  });

  it('waits a second at most, then goes by the remembered addresses', async () => {
    const world = new World([], Number.POSITIVE_INFINITY);
    const remembered = new Map([
      [A, '02:00:00:00:00:aa'],
      ['w1 192.0.2.9', '02:00:00:00:00:bb'],
    ]);
    assert.deepEqual(await askNeighbours(SHARED, remembered, world), new Map([[A, '02:00:00:00:00:aa']]));
    assert.equal(world.slept, 1000);
  });

  it('prefers known addresses to remembered ones', async () => {
    const world = new World(['192.0.2.1', '192.0.2.3'], 0);
    const macs = await askNeighbours(SHARED, new Map([[A, '02:00:00:00:00:aa']]), world);
    assert.equal(macs.get(A), '02:00:00:00:00:01');
  });

  it('does not wait for an answer where the kernel refuses to ask', async () => {
    const world = new World([], 0, true);
    assert.deepEqual(await askNeighbours(SHARED, new Map(), world), new Map());
    assert.equal(world.slept, 0);
  });
});
