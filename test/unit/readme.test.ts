import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { parseConfig } from '#wanmark/config/config.js';
import { OPTIONS, type RawConfig } from '#wanmark/config/options.js';
import { ALIASES, STRATEGIES } from '#wanmark/core/strategies/registry.js';
import type { StrategyFactory } from '#wanmark/core/strategy.js';
import { flow, wan } from './flows.js';

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

function block(language: string): string {
  const found = new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(README);
  assert.ok(found, `a block of ${language}`);
  return found[1]!;
}

describe('README', () => {
  it('has a strategy that works as it says', async () => {
    const url = `data:text/javascript,${encodeURIComponent(block('js'))}`;
    const create = ((await import(url)) as { default: StrategyFactory }).default;
    const strategy = create({ random: () => 0, now: () => 0, connections: () => 0 });
    const wans = [wan(1), wan(2, { name: 'dsl' })];
    assert.equal(strategy.pick(flow({ dst: '203.0.113.9' }), wans).name, 'dsl');
    assert.equal(strategy.pick(flow({ dst: '192.0.2.1', srcHash: 4 }), wans).name, 'wan1');
    assert.equal(strategy.pick(flow({ dst: '192.0.2.1', srcHash: 5 }), wans).name, 'dsl');
    assert.equal(strategy.pick(flow({ dst: '203.0.113.9', srcHash: 5 }), [wan(1)]).name, 'wan1');
  });

  it('has a configuration file that is right', () => {
    const config = parseConfig(parse(block('yaml')) as RawConfig);
    assert.deepEqual(
      config.wans.map(({ name, via, via6 }) => [name, via, via6]),
      [
        ['fibre', '192.0.2.1', 'fe80::1'],
        ['dsl', 'dev', undefined],
      ],
    );
  });

  it('lists every option, with its default, and none besides', () => {
    const rows = [...README.matchAll(/^\| `--([a-z-]+)(?:\\\||[^|])*\|([^|]*)\|/gm)];
    const listed = new Map(rows.map(([, name, standard]) => [name!, standard!.trim()]));
    // --weights stands beside the option that it goes with.
    const expected = Object.keys(OPTIONS).filter((name) => name !== 'weights');
    assert.deepEqual([...listed.keys()].sort(), [...expected, 'config'].sort());
    for (const [name, standard] of listed) {
      const value = OPTIONS[name]?.default;
      if (value !== undefined) assert.equal(standard, value, name);
    }
  });

  it('lists every strategy with its short name', () => {
    for (const name of STRATEGIES.keys()) assert.match(README, new RegExp(`^\\| \`${name}\` \\|`, 'm'));
    for (const alias of ALIASES.keys()) assert.match(README, new RegExp(`\`${alias}\``));
  });
});
