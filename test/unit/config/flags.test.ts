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
      queues: '4',
      engine: 'kernel',
      'kernel-mode': 'nth',
      per: 'packet',
      'last-resort': 'blackhole',
      lan: ['br0', 'br1'],
      exclude: ['10.0.0.0/8'],
      own: 'off',
      'log-kernel': true,
    },
    { wan: ['six,dev=eth1,via6=fe80::1', 'late,dev=eth2,initial=down'] },
    { wan: ['lease,dev=eth1,via=auto,via6=auto', 'six,dev=eth2,via6=auto'] },
    {
      wan: ['a,dev=eth1'],
      service: ['web,listen=192.0.2.1:80/tcp,snat=none,strategy=lc', 'six,listen=[2001:db8::1]:1-9/udp'],
      backend: ['web,to=10.0.0.1:8080,weight=3', 'six,to=2001:db8::5', 'web,to=10.0.0.2,mark=7'],
      'backend-mask': '0xff0000',
      'service-queue': '9',
      queues: '2',
      'forward-accept': true,
    },
    { service: ['all,listen=192.0.2.1/any,snat=192.0.2.2'], backend: ['all,to=10.0.0.1'], wan: [] },
  ]) {
    it(`gives back ${[...flags.wan, ...(flags.service ?? [])].join(' ')}`, () => {
      const config = parseConfig(flags);
      const words = ruleFlags(config).split(' ');
      const again: Record<string, string[] | string | boolean> = {};
      for (let i = 0; i < words.length; i++) {
        const name = words[i]!.slice(2);
        if (['log-kernel', 'forward-accept'].includes(name)) again[name] = true;
        else if (['wan', 'lan', 'exclude', 'service', 'backend'].includes(name))
          again[name] = [...((again[name] as string[]) ?? []), words[++i]!];
        else again[name] = words[++i]!;
      }
      assert.deepEqual(parseConfig(again), config);
      assert.ok(!ruleFlags(config).includes('weight=1'), 'defaults are left out');
    });
  }
});
