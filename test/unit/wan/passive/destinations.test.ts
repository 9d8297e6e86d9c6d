import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Destinations } from '#wanmark/wan/passive/destinations.js';
import { seeded } from '../../../helpers/random.js';

const picked = (destinations: Destinations, wan: string, most: number, now: number) =>
  destinations.pick(wan, most, now).map(({ address, port }) => `${address}:${port}`);

describe('Destinations', () => {
  it('picks those of different clients and networks first, then of different networks, then other addresses', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const destinations = new Destinations(seeded(seed));
      const note = (client: number, address: string, port = 80) =>
        destinations.note(`10.0.0.${client}`, address, port, 'a', 0);
      note(1, '198.18.1.1');
      note(1, '198.18.2.1');
      note(2, '198.18.3.1');
      note(2, '198.18.3.2');
      note(2, '198.18.3.2', 443);
      const all = picked(destinations, 'a', 9, 5);
      const third = all.map((one) => one.split('.')[2]!);
      assert.ok(third.slice(0, 2).includes('3') && third[0] !== third[1], all.join());
      assert.deepEqual(third.slice(0, 3).sort(), ['1', '2', '3']);
      assert.equal(all.length, 4, 'one port of an address');
      assert.equal(third[3], '3');
      assert.deepEqual(picked(destinations, 'a', 2, 5).length, 2);
    }
  });

  it('prefers those that the WAN itself reached, since another one may refuse its address', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const destinations = new Destinations(seeded(seed));
      destinations.note('10.0.0.1', '198.18.1.1', 80, 'a', 0);
      destinations.note('10.0.0.1', '198.18.2.1', 80, 'b', 1);
      destinations.note('10.0.0.1', '198.18.3.1', 80, 'b', 1);
      destinations.note('10.0.0.1', '198.18.1.1', 80, 'b', 2);
      assert.equal(picked(destinations, 'a', 3, 3)[0], '198.18.1.1:80', 'by another WAN later as well');
      assert.equal(picked(destinations, 'c', 9, 3).length, 3);
    }
  });

  it('rather picks networks that were not asked yet', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const destinations = new Destinations(seeded(seed));
      for (let i = 0; i < 5; i++) destinations.note('10.0.0.1', `198.18.${i}.1`, 80, 'a', 0);
      const asked = new Set(['198.18.0', '198.18.1', '198.18.2', '198.18.3']);
      assert.equal(destinations.pick('a', 2, 1, asked)[0]!.address, '198.18.4.1');
      assert.equal(destinations.pick('a', 2, 1, asked).length, 2);
    }
  });

  it('picks each now and then, so that a client that means harm is not all that is asked', () => {
    const destinations = new Destinations(seeded(1));
    destinations.note('10.0.0.1', '203.0.113.1', 80, 'a', 0);
    for (let i = 0; i < 8; i++) destinations.note(`10.0.0.${60 + i}`, `198.18.${i}.1`, 80, 'a', 1);
    destinations.note('10.0.0.2', '198.51.100.1', 80, 'a', 2);
    let times = 0;
    for (let i = 0; i < 100; i++) {
      const [last, ...others] = picked(destinations, 'a', 4, 3);
      assert.equal(last, '198.51.100.1:80', 'the one that answered last is always asked');
      if (others.includes('203.0.113.1:80')) times++;
    }
    assert.ok(times > 15 && times < 65, `${times}`);
  });

  it('knows them for ten minutes after their last answer', () => {
    const destinations = new Destinations();
    destinations.note('10.0.0.1', '198.18.1.1', 80, 'a', 0);
    assert.equal(picked(destinations, 'a', 4, 599_999).length, 1);
    assert.equal(picked(destinations, 'a', 4, 600_000).length, 0);
    destinations.note('10.0.0.1', '198.18.1.1', 80, 'a', 600_000);
    assert.equal(picked(destinations, 'a', 4, 1_199_999).length, 1);
  });

  it('remembers 64, and a client with thousands does not push out the few of others', () => {
    const destinations = new Destinations();
    destinations.note('10.0.0.1', '198.18.1.1', 80, 'a', 0);
    destinations.note('10.0.0.2', '198.18.2.1', 80, 'a', 0);
    for (let i = 0; i < 5000; i++) {
      destinations.note('10.0.0.66', `203.0.${i % 256}.${i >> 8}`, 80, 'a', 1 + i);
    }
    const all = picked(destinations, 'a', 1000, 6000);
    assert.ok(all.length <= 64 && all.length > 32, `${all.length}`);
    assert.ok(all.includes('198.18.1.1:80') && all.includes('198.18.2.1:80'), all.join(' '));
  });

  it('drops one of the network that its client has the most of', () => {
    const destinations = new Destinations();
    destinations.note('10.0.0.66', '198.18.1.1', 80, 'a', 0);
    for (let i = 0; i < 500; i++) destinations.note('10.0.0.66', `203.0.113.${i % 250}`, 80 + i, 'a', i);
    assert.ok(picked(destinations, 'a', 100, 500).includes('198.18.1.1:80'));
  });
});
