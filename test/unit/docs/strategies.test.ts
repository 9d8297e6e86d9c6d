import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { flowHash } from '#wanmark/core/flow-hash.js';
import { hashText } from '#wanmark/core/hash.js';
import { Sequence, type SequenceStrategy } from '#wanmark/core/sequence.js';
import { ALIASES, STRATEGIES } from '#wanmark/core/strategies/registry.js';
import type { StrategyContext, StrategyFactory } from '#wanmark/core/strategy.js';
import { fillTable, PLACES, placeOf } from '#wanmark/core/table.js';
import { blocks, readPage } from '../../docs/pages.js';
import { flow, wan } from '../flows.js';

const PAGE = readPage('docs/strategies.md');

interface StrategyModule {
  readonly default: StrategyFactory;
  readonly needs?: readonly string[];
}

/** The JavaScript strategies of the page, in their order. */
async function load(at: number): Promise<StrategyModule> {
  const text = blocks(PAGE, 'js')[at];
  assert.ok(text, `a block of JavaScript, number ${at}`);
  // The text of a data: address has no folder in which a package could be found.
  const index = import.meta.resolve('#wanmark/index.js');
  return (await import(
    `data:text/javascript,${encodeURIComponent(text.replace("'wanmark'", `'${index}'`))}`
  )) as StrategyModule;
}

const CONTEXT: StrategyContext = { random: () => 0, now: () => 0, connections: () => 0 };

describe('docs/strategies.md', () => {
  it('has a strategy that works as it says', async () => {
    const strategy = (await load(0)).default(CONTEXT);
    const wans = [wan(1), wan(2, { name: 'dsl' })];
    assert.equal(strategy.pick(flow({ dst: '203.0.113.9' }), wans).name, 'dsl');
    assert.equal(strategy.pick(flow({ dst: '192.0.2.1', srcHash: 4 }), wans).name, 'wan1');
    assert.equal(strategy.pick(flow({ dst: '192.0.2.1', srcHash: 5 }), wans).name, 'dsl');
    assert.equal(strategy.pick(flow({ dst: '203.0.113.9', srcHash: 5 }), [wan(1)]).name, 'wan1');
  });

  it('has one that counts, and declares that it does', async () => {
    const module = await load(1);
    assert.deepEqual(module.needs, ['connections']);
    const connections = new Map([
      ['wan1', 3],
      ['wan2', 5],
      ['wan3', 2],
    ]);
    const strategy = module.default({ ...CONTEXT, connections: ({ name }) => connections.get(name)! });
    const wans = [wan(1, { weight: 1 }), wan(2, { weight: 3 }), wan(3, { weight: 1 })];
    assert.equal(strategy.pick(flow({}), wans).name, 'wan2');
    assert.equal(strategy.pick(flow({}), [wans[0]!, wans[2]!]).name, 'wan3');
  });

  it('has a sequence that is what its picks are', async () => {
    const wans = [wan(1), wan(2), wan(3)];
    const strategy = (await load(2)).default(CONTEXT) as SequenceStrategy;
    const sequence = new Sequence(strategy, wans);
    const into = new Uint16Array(5);
    assert.equal(sequence.next(into, assert.fail), 5);
    assert.deepEqual([...into], [0, 1, 2, 0, 1]);
    sequence.used(1);
    sequence.takeBack();
    assert.equal(strategy.pick(flow(), wans).name, 'wan2');
  });

  it('has a table by which its picks go', async () => {
    const wans = [wan(1), wan(2), wan(3)];
    const strategy = (await load(3)).default(CONTEXT);
    const into = new Uint16Array(PLACES);
    fillTable(strategy.table!, wans, into);
    for (let i = 0; i < 50; i++) {
      const packet = flow({ dstHash: hashText(String(i)) });
      const place = placeOf(flowHash(strategy.table!.fields)(packet), PLACES);
      assert.equal(strategy.pick(packet, wans), wans[into[place]!]);
    }
  });

  it('lists every strategy with its short names', () => {
    for (const name of STRATEGIES.keys()) {
      const short = [...ALIASES].filter(([, full]) => full === name).map(([alias]) => `\`${alias}\``);
      assert.match(PAGE, new RegExp(`^\\| \`${name}\` \\| ${short.join(', ')} \\|`, 'm'));
    }
  });
});
