import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { ruleFlags } from '#wanmark/config/flags.js';

describe('ruleFlags', () => {
  for (const flags of [
    { wan: ['a,dev=eth1,via=192.0.2.1', 'p,dev=ppp0'] },
    {
      wan: [
        'a,dev=eth1,via=192.0.2.1,via6=fe80::1,weight=5,tier=2,mark=4,nat=192.0.2.9,nat6=none',
        'b,dev=eth2,nat=none',
      ],
      mask: '0xff00',
      'queue-num': '3',
      lan: ['br0', 'br1'],
      exclude: ['10.0.0.0/8'],
      'log-kernel': true,
    },
    { wan: ['six,dev=eth1,via6=fe80::1'] },
  ]) {
    it(`gives back ${flags.wan.join(' ')}`, () => {
      const config = parseConfig(flags);
      const words = ruleFlags(config).split(' ');
      const again: Record<string, string[] | string | boolean> = {};
      for (let i = 0; i < words.length; i++) {
        const name = words[i]!.slice(2);
        if (name === 'log-kernel') again[name] = true;
        else if (['wan', 'lan', 'exclude'].includes(name))
          again[name] = [...((again[name] as string[]) ?? []), words[++i]!];
        else again[name] = words[++i]!;
      }
      assert.deepEqual(parseConfig(again), config);
      assert.ok(!ruleFlags(config).includes('weight=1'), 'defaults are left out');
    });
  }
});
