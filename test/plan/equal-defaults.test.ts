/** Default routes of equal metric, between which nothing tells whose address a program has bound itself to. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import type { RawConfig } from '#wanmark/config/options.js';
import { buildPlan } from '#wanmark/plan/build.js';
import type { MainRoute } from '#wanmark/plan/facts.js';
import { NO_STATES } from '#wanmark/plan/states.js';
import { ROUTER } from './router.js';

const byWay = (dev: string, via: string, metric: number): MainRoute => ({
  dst: 'default',
  isThrow: false,
  metric,
  ways: [{ dev, via, unusable: false }],
});

/** What a person is told of equal default routes. */
function told(metrics: readonly [number, number], more: RawConfig = {}): string[] {
  const wan = [
    'fibre,dev=eth1,via=192.0.2.1,via6=2001:db8:1::1',
    'dsl,dev=eth2,via=198.51.100.1,via6=fe80::1',
  ];
  const [a, b] = metrics;
  const main = {
    4: [byWay('eth1', '192.0.2.1', a), byWay('eth2', '198.51.100.1', b)],
    6: [byWay('eth1', '2001:db8:1::1', a), byWay('eth2', 'fe80::1', b)],
  };
  const { notes } = buildPlan(parseConfig({ wan, ...more }), { ...ROUTER, main }, NO_STATES);
  return notes.filter((note) => note.includes('same metric'));
}

describe('default routes of equal metric', () => {
  test('are named for each family, with the setting that mends it', () => {
    const notes = told([1024, 1024]);
    assert.equal(notes.length, 2);
    assert.match(notes[0]!, /IPv4 default routes by eth1 and eth2 .* in the settings of the DHCP client$/);
    assert.match(notes[1]!, /IPv6 .*: sysctl -w net\.ipv6\.conf\.eth2\.ra_defrtr_metric=2048$/);
  });

  test('are no matter where they differ, or where the router’s own connections are left alone', () => {
    assert.deepEqual(told([1024, 2048]), []);
    assert.deepEqual(told([1024, 1024], { own: 'off' }), []);
  });
});
