import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { assignNumbers, lostNumbers, NO_NUMBERS, rememberNumbers } from '#wanmark/config/numbers.js';
import { UsageError } from '#wanmark/errors.js';

const list = (...names: string[]) =>
  names.map((text) => {
    const [name = '', given] = text.split('=');
    return { name, given: given === undefined ? undefined : Number(given) };
  });
const numbers = (text: string) =>
  new Map(
    text
      .split(' ')
      .filter(Boolean)
      .map((one) => [one.split('=')[0]!, Number(one.split('=')[1])]),
  );
const assign = (names: string, remembered = '', max = 255) =>
  [...assignNumbers(list(...names.split(' ')), numbers(remembered), max)]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, number]) => `${name}=${number}`)
    .join(' ');

describe('numbers of targets', () => {
  it('are the places in the list when nothing is remembered', () => {
    assert.equal(assign('c a b'), 'a=2 b=3 c=1');
  });

  it('stay with their names when the list is reordered, shortened or extended', () => {
    assert.equal(assign('b a', 'a=1 b=2'), 'a=1 b=2');
    assert.equal(assign('b', 'a=1 b=2'), 'b=2');
    assert.equal(assign('new a b', 'a=1 b=2'), 'a=1 b=2 new=3');
  });

  it('of the configuration win', () => {
    assert.equal(assign('a=7 b', 'a=1 b=2'), 'a=7 b=2');
    assert.equal(assign('a b=1', 'a=1 b=2'), 'a=3 b=1');
  });

  it('leave out what a configuration gives to another', () => {
    assert.equal(assign('a=2 b'), 'a=2 b=1');
  });

  it('of names that are gone are given out last', () => {
    assert.equal(assign('b new', 'a=1 b=2', 3), 'b=2 new=3');
    assert.equal(assign('b new', 'a=1 b=2 c=3', 3), 'b=2 new=1');
  });

  it('that no longer fit the mask are given up', () => {
    assert.equal(assign('a b', 'a=200 b=2', 3), 'a=1 b=2');
  });

  it('are refused when there are not enough', () => {
    assert.throws(() => assign('a=1 b=2 c', '', 2), UsageError);
  });

  it('are remembered also for names that are gone, unless another has them', () => {
    const remembered = rememberNumbers(numbers('b=2 new=1'), numbers('a=1 b=2 c=3'));
    assert.deepEqual(
      [...remembered],
      [
        ['b', 2],
        ['new', 1],
        ['c', 3],
      ],
    );
  });

  it('that a configuration gives to another are reported, one line for each', () => {
    assert.deepEqual(lostNumbers('WAN', numbers('a=3 b=1'), numbers('a=1 b=1')), [
      'WAN "a" had mark 1, which is "b" now; it has mark 3, and its existing connections leave as those of "b"',
    ]);
    assert.deepEqual(lostNumbers('WAN', numbers('a=7'), numbers('a=1')), [
      'WAN "a" had mark 1 and has mark 7 now; its existing connections lose theirs',
    ]);
    assert.deepEqual(lostNumbers('WAN', numbers('a=1 b=2'), numbers('b=2')), []);
  });
});

describe('a configuration with remembered numbers', () => {
  it('keeps the marks of WANs and backends that change places', () => {
    const raw = {
      wan: ['a,dev=a', 'b,dev=b'],
      service: ['web,listen=192.0.2.1:80/tcp'],
      backend: ['web,to=10.0.0.1', 'web,to=10.0.0.2'],
    };
    const first = parseConfig(raw);
    const marks = (config: typeof first) => ({
      wans: new Map(config.wans.map(({ name, mark }) => [name, mark])),
      policies: new Map(),
      backends: new Map(config.services[0]!.backends.map(({ name, mark }) => [`web/${name}`, mark])),
    });
    const turned = { ...raw, wan: raw.wan.toReversed(), backend: raw.backend.toReversed() };
    assert.deepEqual(marks(parseConfig(turned, marks(first))), {
      policies: new Map(),
      wans: new Map([
        ['b', 2],
        ['a', 1],
      ]),
      backends: new Map([
        ['web/10.0.0.2', 2],
        ['web/10.0.0.1', 1],
      ]),
    });
    assert.deepEqual(
      marks(parseConfig(turned, NO_NUMBERS)).wans,
      new Map([
        ['b', 1],
        ['a', 2],
      ]),
    );
  });

  it('takes as long for a field of 32 bits as for a small one', () => {
    const config = parseConfig({ wan: ['a,dev=a,mark=2', 'b,dev=b', 'c,dev=c'], mask: '0xffffffff' });
    assert.deepEqual(
      config.wans.map(({ mark }) => mark),
      [2, 1, 3],
    );
  });

  it('leaves the mark of the last resort free', () => {
    const config = parseConfig(
      { wan: ['a,dev=a', 'b,dev=b'], mask: '0x3', 'last-resort': 'blackhole' },
      {
        ...NO_NUMBERS,
        wans: new Map([['a', 3]]),
      },
    );
    assert.deepEqual(
      config.wans.map(({ mark }) => mark),
      [1, 2],
    );
  });
});
