import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MarkField } from '#wanmark/core/mark.js';
import { STRATEGIES } from '#wanmark/core/strategies/registry.js';
import { Decider, type DecisionListener } from '#wanmark/daemon/decider.js';
import { emptyBatch, poolOf, statesOf, wan } from '../flows.js';

const LAN = 2;
const WAN2 = 5;

function decider(listener: DecisionListener = () => undefined) {
  const wans = [wan(1), wan(2), wan(3, { via6: undefined })];
  const strategy = STRATEGIES.get('round-robin')!({
    random: Math.random,
    now: () => 0,
    connections: () => 0,
  });
  const states = statesOf(wans);
  const pool = poolOf(wans, strategy, states);
  const inbound = new Map([[WAN2, wans[1]!]]);
  const picks = () => pool.members.map((member) => member.picks);
  return {
    states,
    picks,
    decider: new Decider(() => pool, new MarkField(0xff00), inbound, listener),
  };
}

/** A batch of packets given as [family, input ifindex]. */
function batchOf(packets: [number, number][]) {
  const batch = emptyBatch(packets.length);
  packets.forEach(([family, ifindex], i) => {
    batch.family[i] = family;
    batch.inIfindex[i] = ifindex;
    batch.copied[i] = i;
    batch.bytes.fill(i, 128 * i, 128 * (i + 1));
  });
  return batch;
}

describe('Decider', () => {
  it('marks shifted into the mask, in turn', () => {
    const batch = batchOf([
      [4, LAN],
      [4, LAN],
      [4, LAN],
      [4, LAN],
    ]);
    decider().decider.decide(batch, 4);
    assert.deepEqual([...batch.marks], [0x100, 0x200, 0x300, 0x100]);
  });

  it('knows a WAN whose weight was changed', () => {
    const heard: string[] = [];
    const {
      states,
      picks,
      decider: subject,
    } = decider((_pool, { candidate: { name, weight } }) => heard.push(`${name} ${weight}`));
    states.setWeight('wan2', 9);
    const batch = batchOf([
      [4, LAN],
      [4, LAN],
      [4, WAN2],
    ]);
    subject.decide(batch, 3);
    assert.deepEqual([...batch.marks], [0x100, 0x200, 0x200]);
    assert.deepEqual(picks(), [1, 1, 0]);
    assert.deepEqual(heard, ['wan1 1', 'wan2 9']);
  });

  it('touches only the first `count` and leaves packets that are not IP to the kernel', () => {
    const batch = batchOf([
      [4, LAN],
      [0, LAN],
      [4, LAN],
    ]);
    decider().decider.decide(batch, 2);
    assert.deepEqual([...batch.marks], [0x100, 0, 0]);
  });

  it('keeps an inbound connection on its WAN without advancing the strategy', () => {
    const batch = batchOf([
      [4, LAN],
      [4, WAN2],
      [4, WAN2],
      [4, LAN],
    ]);
    const { picks, decider: subject } = decider((_pool, { target }) => heard.push(target.name));
    const heard: string[] = [];
    subject.decide(batch, 4);
    assert.deepEqual([...batch.marks], [0x100, 0x200, 0x200, 0x200]);
    assert.deepEqual(picks(), [1, 1, 0]);
    assert.deepEqual(heard, ['wan1', 'wan2']);
  });

  it('tells the listener the flow and exactly the copied bytes', () => {
    const seen: [string, number, number[]][] = [];
    const { decider: subject } = decider((_pool, { target }, flow, bytes) =>
      seen.push([target.name, flow.family, [...bytes()]]),
    );
    subject.decide(
      batchOf([
        [4, LAN],
        [6, LAN],
        [4, LAN],
      ]),
      3,
    );
    assert.deepEqual(seen, [
      ['wan1', 4, []],
      ['wan1', 6, [1]],
      ['wan2', 4, [2, 2]],
    ]);
  });
});
