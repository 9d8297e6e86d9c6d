import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DROP } from '#wanmark/core/batch.js';
import { MarkField } from '#wanmark/core/mark.js';
import { Pool } from '#wanmark/core/pool.js';
import { STRATEGIES } from '#wanmark/core/strategies/registry.js';
import { wanMember } from '#wanmark/core/wan.js';
import { Decider, type DeciderOptions, type DecisionListener } from '#wanmark/daemon/decider.js';
import { emptyBatch, statesOf, turn, wan } from '../flows.js';

const LAN = 2;
const WAN2 = 5;

function decider(listener: DecisionListener = () => undefined, options: DeciderOptions = {}, closes = false) {
  const wans = [wan(1), wan(2), wan(3, { via6: undefined })];
  const strategy = STRATEGIES.get('round-robin')!({
    random: Math.random,
    now: () => 0,
    connections: () => 0,
  });
  const states = statesOf(wans);
  const members = wans.map(wanMember);
  const named = { name: 'round-robin', strategy };
  const pool = new Pool({ name: 'all', members, strategy: named, states, closes, onFault: () => {} });
  const inbound = new Map([[WAN2, wans[1]!]]);
  const picks = () => pool.members.map((member) => member.picks);
  return {
    states,
    picks,
    decider: new Decider(() => pool, new MarkField(0xff00), inbound, listener, options),
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

  it('asks nobody for a mark where an ICMP error has one, and has it dropped or lets it pass', () => {
    /** Host unreachable for TCP from 10.0.0.2:40000 to 203.0.113.1:443. */
    const bytes = Buffer.from(
      '450000380000000040010000c00002010a000002' +
        '0301000000000000' +
        '4500003c00000000400600000a000002cb007101' +
        '9c4001bb00000001',
      'hex',
    );
    const errors = () => {
      const batch = batchOf([
        [4, WAN2],
        [4, WAN2],
        [4, LAN],
      ]);
      for (const i of [0, 1]) {
        batch.proto[i] = 1;
        batch.dport[i] = 0x301;
        batch.oldMark[i] = 0xab000200;
        batch.copied[i] = bytes.length;
        batch.bytes.set(bytes, 128 * i);
      }
      return batch;
    };
    const heard: unknown[] = [];
    const { picks, decider: subject } = decider(() => assert.fail('a decision'), {
      onError: (tuple, number) => {
        heard.push([tuple, number]);
        return heard.length === 1;
      },
    });
    const batch = errors();
    subject.decide(batch, 2);
    assert.deepEqual([...batch.marks], [DROP, 0, 0]);
    const tuple = { family: 4, proto: 6, src: '10.0.0.2', dst: '203.0.113.1', sport: 40000, dport: 443 };
    assert.deepEqual(heard, [
      [tuple, 2],
      [tuple, 2],
    ]);
    assert.deepEqual(picks(), [0, 0, 0]);

    // Neither another kind of error nor one without a connection in it is shown; and without a listener all pass.
    const odd = errors();
    odd.dport[0] = 0x303;
    odd.bytes[128 + 28] = 0;
    subject.decide(odd, 2);
    assert.equal(heard.length, 2);
    const deaf = errors();
    const { decider: without } = decider();
    without.decide(deaf, 3);
    assert.deepEqual([...odd.marks, ...deaf.marks], [0, 0, 0, 0, 0, 0x100]);
  });

  it('drops what is for a pool that is closed, as a service whose servers are all down by hand', () => {
    for (const closes of [true, false]) {
      const { decider: subject, states } = decider(undefined, {}, closes);
      const marks = () => {
        const batch = batchOf([[4, LAN]]);
        subject.decide(batch, 1);
        return batch.marks[0];
      };
      for (const k of [1, 2, 3]) {
        states.setByHand(`wan${k}`, true);
        turn(states, wan(k), false);
        assert.equal(marks() === DROP, closes && k === 3);
      }
      // One that died is tried all the same, since the checks may be wrong.
      states.setByHand('wan2', false);
      assert.equal(marks(), 0);
    }
  });

  it('tells of a packet that the kernel chose for, but not of one that came in by a WAN', () => {
    const heard: unknown[] = [];
    const { decider: subject, picks } = decider(undefined, {
      onLate: (pool, { family, inIfindex }, ageMs) => heard.push([pool.name, family, inIfindex, ageMs]),
    });
    const batch = batchOf([
      [4, WAN2],
      [6, LAN],
    ]);
    for (const i of [0, 1]) subject.late(batch, i, 60);
    assert.deepEqual(heard, [['all', 6, LAN, 60]]);
    assert.deepEqual(picks(), [0, 0, 0]);
  });

  it('keeps a connection off the members that did not answer it before', () => {
    const { decider: subject, picks } = decider(undefined, {
      tried: ({ dport }) => (dport === 443 ? new Set(['wan1', 'wan3']) : undefined),
    });
    const batch = batchOf([
      [4, LAN],
      [4, LAN],
      [4, LAN],
    ]);
    batch.dport.fill(443);
    subject.decide(batch, 3);
    assert.deepEqual([...batch.marks], [0x200, 0x200, 0x200]);
    assert.deepEqual(picks(), [0, 3, 0]);
  });
});
