import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseRules, type Rule } from '#wanmark/system/rtnetlink/rules.js';
import { RULES4 } from './dumps.js';

/** The rule as `ip rule` prints it. */
function text({ priority, protocol, inverted, mark, before, after, action }: Rule): string {
  const bits = mark === undefined ? [] : [`fwmark ${mark.value}/${mark.mask}`];
  const words = [...(inverted ? ['not'] : []), ...before, ...bits, ...after, action ?? '?'];
  return `${priority} ${words.join(' ')} (${protocol})`;
}

describe('parseRules', () => {
  it('has the words of ip rule, and none for an action or condition that it cannot tell', () => {
    assert.deepEqual(parseRules(RULES4, 4).map(text), [
      '0 from all lookup 255 (2)',
      '100 not from all fwmark 51820/4294967295 lookup 51820 (119)',
      '101 from 1.2.3.4 to 10.0.0.0/8 tos 0x10 iif nodev oif d0 uidrange 5-10 ipproto 6 sport 5-10 dport 53 lookup 77 (0)',
      '103 from all lookup main suppress_prefixlength 0 suppress_ifgroup 5 (0)',
      '104 from 1.2.3.0/24 prohibit (0)',
      '105 from 1.2.3.0/24 ? (0)',
      '106 from all ? (0)',
      '107 from all fwmark 1/1 lookup 100 (0)',
      '109 from all ? (0)',
      '32766 from all lookup main (2)',
      '32767 from all lookup 253 (2)',
    ]);
    assert.deepEqual(parseRules(RULES4, 6), []);
  });
});
