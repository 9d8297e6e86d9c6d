import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Evidence, type Unanswered } from '#wanmark/wan/passive/evidence.js';

let id = 0;

/** An unanswered connection. */
function one(decidedAt: number, ageMs: number, client = 1, network = 1): Unanswered {
  return { id: id++, decidedAt, ageMs, client: `10.0.0.${client}`, network: `198.18.${network}` };
}

/** Evidence where `b` answered a connection each 100 ms up to `until`. */
function comparedWithB(until: number): Evidence {
  const evidence = new Evidence();
  for (let at = 0; at <= until; at += 100) evidence.answered('b', at, 0, at + 50);
  return evidence;
}

describe('silence', () => {
  const silent = (evidence: Evidence, times: number, ageMs = 500) => {
    for (let i = 0; i < times; i++) evidence.unanswered('a', one(1000 + i, ageMs, i, i));
  };

  it('of three connections while the others answer three is a reason to ask', () => {
    const evidence = comparedWithB(1500);
    silent(evidence, 2);
    assert.equal(evidence.doubt('a', ['b'], 1600), undefined);
    silent(evidence, 1);
    assert.deepEqual(evidence.doubt('a', ['b'], 1600), {
      reason: '3 connections unanswered for up to 0.5 s while other WANs answered 6',
      broad: false,
    });
    assert.equal(evidence.doubt('b', ['a'], 1600), undefined);
  });

  it('counts a connection once, however often it is looked at', () => {
    const evidence = comparedWithB(1500);
    const same = one(1000, 500);
    for (const ageMs of [500, 900, 1250]) evidence.unanswered('a', { ...same, ageMs });
    assert.equal(evidence.doubt('a', ['b'], 2300), undefined);
  });

  it('says nothing where nobody else answers meanwhile, however much they answered before', () => {
    const evidence = comparedWithB(900);
    silent(evidence, 10);
    assert.equal(evidence.doubt('a', ['b'], 1600), undefined);
    assert.equal(evidence.doubt('a', [], 1600), undefined, 'as the only one');
  });

  it('says nothing before the time that the WAN usually takes', () => {
    const evidence = comparedWithB(1500);
    silent(evidence, 10, 250);
    assert.equal(evidence.doubt('a', ['b'], 1600), undefined);
    const prompt = comparedWithB(1500);
    for (let i = 0; i < 50; i++) prompt.answered('a', i, 0, i);
    silent(prompt, 3, 250);
    assert.notEqual(prompt.doubt('a', ['b'], 1600), undefined);
  });

  it('is over with an answer, which clears the WAN of all that was sent before it and of nothing later', () => {
    const evidence = comparedWithB(3000);
    silent(evidence, 5);
    evidence.answered('a', 1500, 0, 1700);
    assert.equal(evidence.doubt('a', ['b'], 2600), undefined);
    silent(evidence, 5);
    assert.equal(evidence.doubt('a', ['b'], 2600), undefined, 'told once more');
    for (let i = 0; i < 3; i++) evidence.unanswered('a', one(2000 + i, 600));
    assert.notEqual(evidence.doubt('a', ['b'], 2700), undefined);
  });

  it('does not count what was given to another WAN, and of which nobody knows whether it is answered', () => {
    const evidence = comparedWithB(1500);
    const all = [0, 1, 2].map((i) => one(1000 + i, 900));
    for (const connection of all) evidence.unanswered('a', connection);
    evidence.withdraw('a', all[0]!.id);
    assert.equal(evidence.doubt('a', ['b'], 1900), undefined);
  });

  it('of half a minute ago says nothing', () => {
    const evidence = comparedWithB(2000);
    silent(evidence, 5);
    assert.notEqual(evidence.doubt('a', ['b'], 1600), undefined);
    assert.equal(evidence.doubt('a', ['b'], 31_500), undefined);
  });

  it('starts anew when the WAN does', () => {
    const evidence = comparedWithB(1500);
    silent(evidence, 5);
    evidence.restart('a', 1400);
    assert.equal(evidence.doubt('a', ['b'], 1600), undefined);
    assert.equal(evidence.heardAt('a'), Number.NEGATIVE_INFINITY, 'that is no answer');
  });

  it('is remembered of a bounded number of connections', () => {
    const evidence = comparedWithB(3000);
    for (let i = 0; i < 100_000; i++) evidence.unanswered('a', one(1000 + i / 100, 500));
    assert.match(evidence.doubt('a', ['b'], 3000)!.reason, /^128 connections/);
  });
});

describe('connections that another WAN answered', () => {
  it('are a reason to ask, even one', () => {
    const evidence = new Evidence();
    evidence.pair('a', one(0, 900));
    assert.deepEqual(evidence.doubt('a', ['b'], 1200), {
      reason: '1 connection unanswered that other WANs answered',
      broad: false,
    });
  });

  it('are broad with three of several clients and several networks, and not of one client or one network', () => {
    for (const [clients, networks, broad] of [
      [[1, 2, 2], [1, 1, 2], true],
      [[1, 1, 1], [1, 2, 3], false],
      [[1, 2, 3], [1, 1, 1], false],
      [[1, 2], [1, 2], false],
    ] as const) {
      const evidence = new Evidence();
      for (const [i, client] of clients.entries()) evidence.pair('a', one(i, 900, client, networks[i]));
      assert.equal(evidence.doubt('a', ['b'], 1200)!.broad, broad, `${clients} ${networks}`);
    }
  });

  it('are forgotten with an answer by the WAN that is later, and after half a minute', () => {
    const evidence = new Evidence();
    evidence.pair('a', one(100, 900));
    evidence.answered('a', 50, 0, 1000);
    assert.notEqual(evidence.doubt('a', ['b'], 1200), undefined, 'the answered one was earlier');
    assert.equal(evidence.doubt('a', ['b'], 30_100), undefined);
    evidence.answered('a', 150, 0, 1300);
    assert.equal(evidence.doubt('a', ['b'], 1400), undefined);
    evidence.pair('a', one(120, 900));
    assert.equal(evidence.doubt('a', ['b'], 1400), undefined, 'told afterwards');
  });
});

describe('connections that a gateway called unreachable', () => {
  it('are a reason to ask, and broad together with those that another WAN answered', () => {
    const evidence = new Evidence();
    evidence.unreachable('a', one(0, 0, 1, 1));
    evidence.unreachable('a', one(0, 0, 2, 2));
    assert.deepEqual(evidence.doubt('a', ['b'], 100), {
      reason: 'its gateway called 2 connections unreachable',
      broad: false,
    });
    evidence.pair('a', one(0, 900, 3, 3));
    assert.deepEqual(evidence.doubt('a', ['b'], 100), {
      reason: '1 connection unanswered that other WANs answered',
      broad: true,
    });
  });
});
