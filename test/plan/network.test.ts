import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { covers, parseNetwork, widest, widestNetworks } from '#wanmark/plan/network.js';
import { seeded } from '../helpers/random.js';

const network = (text: string) => parseNetwork(text)!;

describe('networks', () => {
  it('are read in either family, with and without a length', () => {
    assert.deepEqual(network('10.0.0.0/8'), { family: 4, text: '10.0.0.0/8', bits: '00001010' });
    assert.equal(network('192.0.2.1').bits.length, 32);
    assert.equal(network('2001:db8::/32').bits, '00100000000000010000110110111000');
    assert.equal(network('::ffff:192.0.2.1').bits.length, 128);
    assert.equal(network('0.0.0.0/0').bits, '');
  });

  it('are undefined for any other text', () => {
    for (const text of [
      '',
      'default',
      '10.0.0.0/33',
      '10.0.0.0/8/8',
      '10.0.0.0/',
      'fe80::1%eth0',
      'fd00::/129',
      '10.0.0.256',
    ]) {
      assert.equal(parseNetwork(text), undefined, text);
    }
  });

  it('cover the networks that begin with their bits, in their own family', () => {
    assert.ok(covers(network('10.0.0.0/8'), network('10.1.0.0/16')));
    assert.ok(covers(network('10.0.0.0/8'), network('10.0.0.0/8')));
    assert.ok(!covers(network('10.1.0.0/16'), network('10.0.0.0/8')));
    assert.ok(!covers(network('0.0.0.0/0'), network('::/0')));
  });

  it('are reduced to the widest, in the order of their bits, without the network of all addresses', () => {
    const all = [
      '192.168.7.0/24',
      '10.1.0.0/16',
      '0.0.0.0/0',
      '10.0.0.0/8',
      '10.0.0.0/8',
      '192.168.7.9',
      '9.0.0.0/8',
    ];
    assert.deepEqual(
      widest(all.map(network)).map(({ text }) => text),
      ['9.0.0.0/8', '10.0.0.0/8', '192.168.7.0/24'],
    );
  });

  it('are reduced alike by the way of IPv4 alone', () => {
    const random = seeded(7);
    const below = (count: number) => Math.floor(random() * count);
    for (let i = 0; i < 200; i++) {
      const texts = Array.from({ length: 40 }, () => {
        const length = below(34);
        const address = `${10 + below(2)}.${below(3)}.${below(256)}.${below(256)}`;
        return length === 33 ? address : `${address}/${length}`;
      });
      const slow = widest(texts.map(network)).map(({ text }) => text);
      assert.deepEqual(widestNetworks([...texts, 'fd00::/8', 'default'], 4), slow);
    }
    assert.deepEqual(widestNetworks(['10.0.0.0/8', 'fd00:1::/32', 'fd00::/8'], 6), ['fd00::/8']);
  });
});
