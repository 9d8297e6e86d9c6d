import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Asking, askGateways, type Gateway } from '#wanmark/doctor/gather/gateways.js';

const GATEWAY: Gateway = { wan: 'fibre', family: 4, dev: 'eth1', address: '192.0.2.1', index: 3 };
const V6: Gateway = { wan: 'fibre', family: 6, dev: 'eth1', address: 'FE80:0:0::00a1', index: 3 };
const refuse = () => {
  throw Object.assign(new Error('No such file or directory'), { errno: 2 });
};

/** A kernel whose neighbours answer after some looks. @param after the number of looks, by address */
function kernel(after: Readonly<Record<string, number>>, more: Partial<Asking> = {}) {
  const done: string[] = [];
  let looks = 0;
  const asking: Asking = {
    probe: (_, address) => void done.push(`probe ${address}`),
    resolve: (_, address) => void done.push(`resolve ${address}`),
    answering: (family) => {
      const there = Object.keys(after).filter(
        (one) => after[one]! <= looks && one.includes(':') === (family === 6),
      );
      return there.map((address) => ({ index: 3, address }));
    },
    sleep: async () => {
      looks++;
    },
    ...more,
  };
  return { asking, done, looks: () => looks };
}

describe('askGateways', () => {
  const answers = async (all: readonly Gateway[], asking: Asking) =>
    (await askGateways(all, asking)).map(({ address, answer }) => `${address} ${answer}`);

  it('asks all at once, and stops when each has answered, however its address is spelled', async () => {
    const { asking, done, looks } = kernel({ '192.0.2.1': 2, 'fe80::a1': 5 });
    assert.deepEqual(await answers([GATEWAY, V6], asking), ['192.0.2.1 answers', 'FE80:0:0::00a1 answers']);
    assert.deepEqual(done, ['probe 192.0.2.1', 'probe FE80:0:0::00a1']);
    assert.equal(looks(), 5);
  });

  it('resolves one that the kernel does not know yet', async () => {
    const { asking, done } = kernel({ '192.0.2.1': 1 }, { probe: refuse });
    assert.deepEqual(await answers([GATEWAY], asking), ['192.0.2.1 answers']);
    assert.deepEqual(done, ['resolve 192.0.2.1']);
  });

  it('calls one silent only after its three seconds', async () => {
    const { asking, looks } = kernel({});
    assert.deepEqual(await answers([GATEWAY], asking), ['192.0.2.1 silent']);
    assert.equal(looks() * 50, 3300);
  });

  it('says nothing of one that cannot be asked', async () => {
    const { asking, looks } = kernel({}, { probe: refuse, resolve: refuse });
    assert.deepEqual(await answers([GATEWAY], asking), ['192.0.2.1 unknown']);
    assert.equal(looks(), 0);
  });

  it('takes no answer of the same address on another device', async () => {
    const { asking } = kernel({ '192.0.2.1': 0 });
    assert.deepEqual(await answers([{ ...GATEWAY, index: 4 }], asking), ['192.0.2.1 silent']);
  });
});
