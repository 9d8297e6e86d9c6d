/** Connections that other people's rules redirect take no decision. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { buildPlan } from '#wanmark/plan/build.js';
import type { Redirection } from '#wanmark/plan/facts.js';
import { planLists } from '#wanmark/plan/render/lists.js';
import { NO_STATES } from '#wanmark/plan/states.js';
import { ROUTER } from './router.js';

const CONFIG = parseConfig({
  wan: ['fibre,dev=eth1,via=192.0.2.1', 'dsl,dev=eth2,via=198.51.100.1'],
  lan: ['lan0'],
});

/** The rules of WANMARK_PROXY, and the last one of WANMARK, in a table. */
function rules(redirections: readonly Redirection[], list: string): string[] {
  const facts = { ...ROUTER, redirections: { 4: redirections, 6: [] } };
  const lines = planLists(buildPlan(CONFIG, facts, NO_STATES)).get(list)!;
  return lines.filter((line) => /^-A WANMARK_PROXY |-A WANMARK .*-g/.test(line));
}

describe('redirected connections', () => {
  test('leave our chains in mangle and in nat, and the others go on', () => {
    const redirections = [
      { words: '-s 10.0.0.9/32', to: 'nobody' },
      { words: '-p tcp -m tcp --dport 80', to: 'router' },
      { words: '-p udp', to: '203.0.113.5' },
      { words: '-s 10.0.0.8/32', to: 'table' },
      { words: '-p tcp', to: '10.1.2.3' },
      { words: '', to: 'nobody' },
    ];
    const wanted = [
      '-A WANMARK_PROXY -s 10.0.0.9/32 -g WANMARK_NEW',
      '-A WANMARK_PROXY -p tcp -m tcp --dport 80 -j RETURN',
      '-A WANMARK_PROXY -p udp -g WANMARK_NEW',
      '-A WANMARK_PROXY -s 10.0.0.8/32 -j RETURN',
      '-A WANMARK_PROXY -p tcp -j RETURN',
      '-A WANMARK_PROXY -g WANMARK_NEW',
    ];
    const entrance = '-A WANMARK -i lan0 -m conntrack --ctstate NEW --ctdir ORIGINAL -g WANMARK_PROXY';
    assert.deepEqual(rules(redirections, '4.mangle'), [entrance, ...wanted]);
    assert.deepEqual(rules(redirections, '4.nat'), ['-A WANMARK -i lan0 -g WANMARK_PROXY', ...wanted]);
  });

  test('have no chain where nothing stays here', () => {
    const away = [{ words: '-p udp', to: '203.0.113.5' }];
    assert.deepEqual(rules(away, '4.nat'), ['-A WANMARK -i lan0 -g WANMARK_NEW']);
  });
});

describe('rules of others that cannot be copied', () => {
  const facts = { ...ROUTER, uncopied: { 4: true, 6: false } };
  const lines = (list: string, config = CONFIG) => planLists(buildPlan(config, facts, NO_STATES)).get(list)!;

  test('have each packet before the daemon is asked, which is then the last of all', () => {
    const mangle = lines('4.mangle');
    assert.deepEqual(
      mangle.filter((line) => /NFQUEUE/.test(line) && !line.includes('UNREACHABLE')),
      [
        '-A WANMARK_ASKED -m conntrack --ctstate NEW --ctdir ORIGINAL -m connmark --mark 0x3e000000/0x3f000000 -j NFQUEUE --queue-num 0 --queue-bypass',
      ],
    );
    assert.deepEqual(
      mangle.filter((line) => line.endsWith('-j WANMARK_ASKED')),
      ['PREROUTING', 'OUTPUT'].map(
        (base) => `-A ${base} -m conntrack --ctstate NEW -m comment --comment wanmark -j WANMARK_ASKED`,
      ),
    );
    assert.deepEqual(
      lines('6.mangle').filter((line) => line.includes('ASKED')),
      [],
      'the other family asks in its place',
    );
  });

  test('change nothing where nobody is asked, or nothing could say so', () => {
    const none = { wan: ['fibre,dev=eth1,via=192.0.2.1', 'dsl,dev=eth2,via=198.51.100.1'] };
    for (const more of [{ engine: 'kernel' }, { mask: '0x3' }]) {
      const config = parseConfig({ ...none, ...more });
      assert.doesNotMatch(lines('4.mangle', config).join('\n'), /ASKED/);
    }
    const own = lines('4.mangle', parseConfig({ ...none, own: 'off' }));
    assert.doesNotMatch(own.join('\n'), /OUTPUT .*ASKED/);
  });
});
