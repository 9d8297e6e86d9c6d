/** The steps from the present state of a table to the wanted one, line by line. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { tableSteps } from '#wanmark/plan/diff/iptables.js';

const jump = (base: string, chain: string) => `-A ${base} -m comment --comment wanmark -j ${chain}`;
const insert = (base: string, chain: string) => `-I ${base} 1 -m comment --comment wanmark -j ${chain}`;
const away = (base: string, chain: string) => `-D ${base} -m comment --comment wanmark -j ${chain}`;

const HEADS = [':WANMARK - [0:0]', ':WANMARK_SAVE - [0:0]'];
const RULES = ['-A WANMARK -i eth1 -j RETURN', '-A WANMARK_SAVE -o eth1 -j RETURN'];
const JUMPS = [jump('PREROUTING', 'WANMARK'), jump('POSTROUTING', 'WANMARK_SAVE')];
const TABLE = [...HEADS, ...RULES, ...JUMPS];
const known = { have: TABLE, asked: TABLE };

describe('the steps of a table', () => {
  it('are none where nothing changes, even if the kernel prints the rules in its own way', () => {
    assert.deepEqual(tableSteps('mangle', known, TABLE), []);
    const have = TABLE.map((line) => line.replace('-i eth1', '-i eth1 -m whatever'));
    assert.deepEqual(tableSteps('mangle', { have, asked: TABLE }, TABLE), []);
  });

  it('make everything where there is nothing; jumps are made last and stand first', () => {
    const nothing = { have: [], asked: undefined };
    assert.deepEqual(tableSteps('mangle', nothing, TABLE), [
      ...HEADS,
      ...RULES,
      insert('POSTROUTING', 'WANMARK_SAVE'),
      insert('PREROUTING', 'WANMARK'),
    ]);
  });

  it('remove everything', () => {
    assert.deepEqual(tableSteps('mangle', known, []), [
      away('PREROUTING', 'WANMARK'),
      away('POSTROUTING', 'WANMARK_SAVE'),
      '-F WANMARK',
      '-F WANMARK_SAVE',
      '-X WANMARK',
      '-X WANMARK_SAVE',
    ]);
  });

  it('append the jump to what is asked last, and move it where others are behind it', () => {
    const asked = jump('PREROUTING', 'WANMARK_ASKED');
    const rule = '-A WANMARK_ASKED -j NFQUEUE';
    const want = [...HEADS, ':WANMARK_ASKED - [0:0]', ...RULES, rule, ...JUMPS, asked];
    assert.deepEqual(tableSteps('mangle', known, want), [':WANMARK_ASKED - [0:0]', rule, asked]);
    assert.deepEqual(tableSteps('mangle', { have: [], asked: undefined }, want).slice(-3), [
      insert('POSTROUTING', 'WANMARK_SAVE'),
      insert('PREROUTING', 'WANMARK'),
      asked,
    ]);
    const there = { have: want, asked: want };
    assert.deepEqual(tableSteps('mangle', there, want), []);
    const toMove = new Set(['PREROUTING WANMARK_ASKED']);
    assert.deepEqual(tableSteps('mangle', { ...there, toMove }, want), [
      away('PREROUTING', 'WANMARK_ASKED'),
      asked,
    ]);
    assert.deepEqual(tableSteps('mangle', { ...there, toMove }, TABLE), [
      away('PREROUTING', 'WANMARK_ASKED'),
      '-F WANMARK_ASKED',
      '-X WANMARK_ASKED',
    ]);
  });

  it('rewrite a chain that changes, and no other', () => {
    const want = TABLE.map((line) => (line === RULES[1] ? '-A WANMARK_SAVE -o eth2 -j RETURN' : line));
    assert.deepEqual(tableSteps('mangle', known, want), [HEADS[1], '-A WANMARK_SAVE -o eth2 -j RETURN']);
  });

  it('rewrite everything where it is not known what made it, or where a chain is gone', () => {
    assert.deepEqual(tableSteps('mangle', { have: TABLE, asked: undefined }, TABLE), [...HEADS, ...RULES]);
    const have = TABLE.filter((line) => !line.includes('SAVE'));
    assert.deepEqual(tableSteps('mangle', { have, asked: TABLE }, TABLE), [
      HEADS[1],
      RULES[1],
      insert('POSTROUTING', 'WANMARK_SAVE'),
    ]);
  });

  it('put jumps of one base in their order', () => {
    const count = [...TABLE.slice(0, 2), ':WANMARK_COUNT - [0:0]', ...TABLE.slice(2)];
    const want = [...count, jump('POSTROUTING', 'WANMARK_COUNT')];
    const other = [...count.slice(0, -1), jump('POSTROUTING', 'WANMARK_COUNT'), JUMPS[1]!];
    assert.deepEqual(tableSteps('mangle', { have: other, asked: other }, want), [
      away('POSTROUTING', 'WANMARK_COUNT'),
      away('POSTROUTING', 'WANMARK_SAVE'),
      insert('POSTROUTING', 'WANMARK_COUNT'),
      insert('POSTROUTING', 'WANMARK_SAVE'),
    ]);
  });

  it('remove a jump that is there twice', () => {
    const have = [...TABLE, JUMPS[0]!];
    assert.deepEqual(tableSteps('mangle', { have, asked: TABLE }, TABLE), [away('PREROUTING', 'WANMARK')]);
  });

  it("put source NAT behind other people's rules", () => {
    const nat = [':WANMARK_NAT - [0:0]', jump('POSTROUTING', 'WANMARK_NAT')];
    assert.deepEqual(tableSteps('nat', { have: [], asked: undefined }, nat), nat);
  });
});
