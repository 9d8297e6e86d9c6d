import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { feedAdvice, feedCommand } from '#wanmark/cli/feed-advice.js';
import { parseConfig } from '#wanmark/config/config.js';
import type { QueueRange } from '#wanmark/system/feed.js';

const WAN = { wan: ['a,dev=eth1'] };
const WEB = { service: ['web,listen=192.0.2.1:80/tcp'], backend: ['web,to=10.0.0.1'] };

/** Reads ranges such as `2-5 8`. */
function ranges(text: string): QueueRange[] {
  return text
    .split(' ')
    .filter((word) => word !== '')
    .map((word) => {
      const [first, last = first] = word.split('-').map(Number);
      return { first: first!, last: last! };
    });
}

describe('what is wrong between the queues and the rules', () => {
  const two = { ...WAN, 'queue-num': '4', queues: '2' };
  for (const [name, raw, fed, expected] of [
    ['one queue, fed', WAN, '0 0', []],
    ['one queue, not fed', WAN, '1 5-6', [/^no rule feeds queue 0, so nothing will be marked$/]],
    ['two queues, fed', two, '4-5 4-5', []],
    ['two queues, fed by rules of their own', two, '4 5', []],
    ['two queues, not fed', two, '0-1', [/^no rule feeds queues 4 to 5, so nothing will be marked$/]],
    ['two queues, one fed', two, '4', [/^no rule feeds queue 5: the others get all$/]],
    [
      'more in the rules than the daemon has',
      WAN,
      '0-3 0-3',
      [
        /^rules spread flows over queues 0 to 3, but this daemon decides only queue 0: the kernel chooses for the rest/,
      ],
    ],
    [
      'rules and daemon with different queues',
      two,
      '3-4',
      [
        /^rules spread flows over queues 3 to 4, but this daemon decides only queues 4 to 5, and no rule feeds queue 5: the kernel/,
      ],
    ],
    ['queues of other programs', WAN, '0 1-3 7', []],
    [
      'all possible queues',
      WAN,
      '0-65535',
      [/over queues 0 to 65535, but this daemon decides only queue 0:/],
    ],
    ['services, fed', { ...two, ...WEB }, '4-5 6', []],
    ['services, not fed', { ...two, ...WEB }, '4-5', [/^no rule feeds queue 6, so/]],
    [
      "the services' queue among those of the WANs' rules",
      { ...WAN, ...WEB },
      '0-1',
      [/over queues 0 to 1/, /over queues 0 to 1/],
    ],
    ['services alone, not fed', WEB, '0', [/^no rule feeds queue 1, so/]],
  ] as const) {
    it(name, () => {
      const lines = feedAdvice(parseConfig(raw), ranges(fed));
      assert.equal(lines.length, expected.length, lines.join('\n'));
      for (const [i, line] of lines.entries()) assert.match(line, expected[i]!);
    });
  }
});

describe('the command that feeds the queues', () => {
  it('is up with the same flags', () => {
    const raw = { ...WAN, queues: '4' };
    assert.equal(feedCommand(parseConfig(raw)), 'wanmark up --wan a,dev=eth1 --queues 4');
  });

  it('is a rule for bare marks', () => {
    const raw = { 'high-mark': '3', 'queue-num': '5' };
    assert.match(feedCommand(parseConfig(raw)), /-j NFQUEUE --queue-num 5 --queue-bypass$/);
    assert.match(
      feedCommand(parseConfig({ ...raw, queues: '4' })),
      /-j NFQUEUE --queue-balance 5:8 --queue-bypass$/,
    );
  });
});
