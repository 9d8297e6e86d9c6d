import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Destinations } from '#wanmark/wan/passive/destinations.js';

const picked = (destinations: Destinations, wan: string, most: number, now: number) =>
  destinations.pick(wan, most, now).map(({ address, port }) => `${address}:${port}`);

describe('Destinations', () => {
  it('picks those of different clients and networks first, then of different networks, then other addresses', () => {
    const destinations = new Destinations();
    destinations.note('10.0.0.1', '198.18.1.1', 80, 'a', 0);
    destinations.note('10.0.0.1', '198.18.2.1', 80, 'a', 1);
    destinations.note('10.0.0.2', '198.18.3.1', 80, 'a', 2);
    destinations.note('10.0.0.2', '198.18.3.2', 80, 'a', 3);
    destinations.note('10.0.0.2', '198.18.3.2', 443, 'a', 4);
    assert.deepEqual(picked(destinations, 'a', 2, 5), ['198.18.3.2:443', '198.18.2.1:80']);
    assert.deepEqual(picked(destinations, 'a', 3, 5), ['198.18.3.2:443', '198.18.2.1:80', '198.18.1.1:80']);
    assert.deepEqual(picked(destinations, 'a', 9, 5).slice(3), ['198.18.3.1:80'], 'one port of an address');
  });

  it('prefers those that the WAN itself reached, since another one may refuse its address', () => {
    const destinations = new Destinations();
    destinations.note('10.0.0.1', '198.18.1.1', 80, 'a', 0);
    destinations.note('10.0.0.1', '198.18.2.1', 80, 'b', 1);
    destinations.note('10.0.0.1', '198.18.1.1', 80, 'b', 2);
    assert.deepEqual(picked(destinations, 'a', 1, 3), ['198.18.1.1:80'], 'by another WAN later as well');
    assert.deepEqual(picked(destinations, 'b', 1, 3), ['198.18.1.1:80'], 'the latest');
    assert.deepEqual(picked(destinations, 'c', 2, 3), ['198.18.1.1:80', '198.18.2.1:80']);
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
