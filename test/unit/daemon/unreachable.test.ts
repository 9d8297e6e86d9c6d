import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import type { Family } from '#wanmark/core/family.js';
import { MarkField } from '#wanmark/core/mark.js';
import type { Tuple } from '#wanmark/core/tuple.js';
import { Unreachable } from '#wanmark/daemon/unreachable.js';
import { wan } from '../flows.js';

function tuple(sport: number, family: Family = 4): Tuple {
  const [src, dst] = family === 4 ? ['10.0.0.2', '203.0.113.1'] : ['2001:db8::2', '2001:db8:f::1'];
  return { family, proto: 6, src: src!, dst: dst!, sport, dport: 443 };
}

function made(candidates = [wan(1), wan(2), wan(3)]) {
  const it = {
    nowMs: 0,
    random: 0,
    candidates,
    failure: undefined as Error | undefined,
    forgotten: [] as [number, number][][],
    lines: [] as string[],
  };
  const unreachable = new Unreachable({
    field: new MarkField(0xff00),
    candidates: (family) => (family === 4 ? it.candidates : it.candidates.slice(0, 1)),
    logger: pino({ base: null }, { write: (line: string) => it.lines.push(JSON.parse(line).msg) }),
    now: () => it.nowMs,
    random: () => it.random,
    forget: async (questions, mask) => {
      assert.equal(mask, 0xff00);
      it.forgotten.push(questions.map((question) => [question.tuple.sport, question.mark]));
      if (it.failure) throw it.failure;
      return questions.map(() => true);
    },
  });
  return { it, heard: unreachable.heard };
}

const settle = () => new Promise(setImmediate);

describe('Unreachable', () => {
  it('gives a connection to another candidate, by weight', () => {
    const { it, heard } = made([wan(1), wan(2, { weight: 3 }), wan(3)]);
    assert.equal(heard(tuple(1), 1), 2);
    it.random = 0.74;
    assert.equal(heard(tuple(2), 1), 2);
    it.random = 0.76;
    assert.equal(heard(tuple(3), 1), 3);
    // A WAN that gets no new connections any more may have been given this one before.
    it.random = 0;
    assert.equal(heard(tuple(4), 9), 1);
  });

  it('lets the error pass where the family has no other candidate', async () => {
    const { it, heard } = made();
    assert.equal(heard(tuple(1, 6), 1), undefined);
    assert.equal(heard(tuple(1, 6), 2), 1);
    it.candidates = [];
    assert.equal(heard(tuple(1), 1), undefined);
    await settle();
    assert.deepEqual(it.forgotten, [[[1, 0x200]]]);
  });

  it('moves a connection once in 15 seconds, and others beside it', () => {
    const { it, heard } = made();
    assert.equal(heard(tuple(1), 1), 2);
    it.nowMs = 14_999;
    assert.equal(heard(tuple(1), 2), undefined);
    assert.equal(heard(tuple(2), 1), 2);
    it.nowMs = 15_000;
    assert.equal(heard(tuple(1), 2), 1);
    assert.equal(heard(tuple(2), 2), undefined);
  });

  it('takes away all errors about one try, and none about the next', async () => {
    const { it, heard } = made();
    assert.equal(heard(tuple(1), 1), 2);
    it.random = 0.9;
    it.nowMs = 499;
    assert.equal(heard(tuple(1), 1), 2);
    assert.equal(heard(tuple(1), 2), undefined);
    it.nowMs = 500;
    assert.equal(heard(tuple(1), 1), undefined);
    await settle();
    assert.deepEqual(it.forgotten, [[[1, 0x100]]]);
  });

  it('asks conntrack once for all that came together', async () => {
    const { it, heard } = made();
    heard(tuple(1), 1);
    heard(tuple(2), 3);
    await settle();
    heard(tuple(3), 2);
    await settle();
    assert.deepEqual(it.forgotten, [
      [
        [1, 0x100],
        [2, 0x300],
      ],
      [[3, 0x200]],
    ]);
  });

  it('does not remember connections without a limit', () => {
    const { it, heard } = made();
    for (let sport = 0; sport < 8192; sport++) assert.notEqual(heard(tuple(sport), 1), undefined);
    assert.equal(heard(tuple(9000), 1), undefined);
    it.nowMs = 15_000;
    assert.equal(heard(tuple(9000), 1), 2);
  });

  it('says that conntrack refuses, once a minute', async () => {
    const { it, heard } = made();
    it.failure = new Error('no privilege');
    for (let sport = 1; sport <= 3; sport++) {
      assert.equal(heard(tuple(sport), 1), 2);
      await settle();
    }
    assert.deepEqual(it.lines, ['unreachable connections were not moved: no privilege']);
  });
});
