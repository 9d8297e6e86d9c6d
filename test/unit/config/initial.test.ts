import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { rejectUncheckedStart, startsDown } from '#wanmark/config/health.js';
import { initialStates } from '#wanmark/plan/states.js';
import { assertRefused } from './refused.js';

const FIBRE = 'fibre,dev=eth1,via=192.0.2.1,via6=fe80::1';
const LTE = 'lte,dev=eth2,via=192.0.2.9,via6=fe80::9,initial=down';

describe('initial=down', () => {
  it('is left out of the rules in all families, and by the daemon in those that a check can find up', () => {
    const config = parseConfig({
      wan: [FIBRE, LTE],
      check: ['all=ping,to=192.0.2.5', 'fibre=ping,to=2001:db8::5'],
    });
    assert.deepEqual([...initialStates(config.wans).down], ['lte/4', 'lte/6']);
    assert.deepEqual([...startsDown(config.wans, config.health.checks)], ['lte/4']);
    rejectUncheckedStart(config);
  });

  it('needs a check where a daemon is to run, and a daemon', () => {
    const config = parseConfig({ wan: [FIBRE, LTE], check: 'fibre=ping,to=192.0.2.5' });
    assertRefused(
      () => rejectUncheckedStart(config),
      /^WAN "lte" has initial=down and no check that could find it up; add --check lte=ping/,
    );
    assertRefused(
      () => parseConfig({ wan: [FIBRE, LTE], engine: 'kernel' }),
      /^WAN "lte" has initial=down, but with engine kernel nobody checks it/,
    );
    assertRefused(() => parseConfig({ wan: `${FIBRE},initial=off` }), /initial "off" must be up or down/);
  });
});
