/** IPsec on a machine whose rules cannot ask for it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { buildPlan } from '#wanmark/plan/build.js';
import type { Ipsec } from '#wanmark/plan/facts.js';
import { planLists } from '#wanmark/plan/render/lists.js';
import { NO_STATES } from '#wanmark/plan/states.js';
import { ROUTER } from './router.js';

const config = parseConfig({
  wan: ['fibre,dev=eth1,via=192.0.2.1,via6=fe80::1', 'dsl,dev=eth2,via=198.51.100.1'],
  service: ['web,listen=192.0.2.2:80/tcp'],
  backend: ['web,to=10.1.2.3'],
});

/** The lines of the plan, and its notes. */
function plan(ipsec: Ipsec | undefined) {
  const { notes, ...rest } = buildPlan(config, { ...ROUTER, ipsec }, NO_STATES);
  return { lines: [...planLists({ notes, ...rest }).values()].flat(), notes };
}

const asks = (line: string) => / -m policy /.test(line);

describe('rules about IPsec', () => {
  test('are there unless the machine cannot ask', () => {
    const { lines, notes } = plan('matched');
    assert.ok(lines.filter(asks).length >= 5);
    assert.deepEqual(plan(undefined), { lines, notes });
  });

  test('are left out where it cannot, and nothing else is', () => {
    const all = plan('matched');
    const few = plan('unused');
    assert.deepEqual(
      few.lines,
      all.lines.filter((line) => !asks(line)),
    );
    assert.deepEqual(few.notes, all.notes);
  });

  test('are missed aloud, once, where there are policies', () => {
    const { lines, notes } = plan('unmatched');
    assert.deepEqual(lines, plan('unused').lines);
    assert.equal(notes.filter((note) => /^warning: there are IPsec policies, /.test(note)).length, 1);
  });

  test('are not missed by services alone, which have none', () => {
    const alone = parseConfig({ service: ['web,listen=192.0.2.2:80/tcp'], backend: ['web,to=10.1.2.3'] });
    assert.deepEqual(buildPlan(alone, { ...ROUTER, ipsec: 'unmatched' }, NO_STATES).notes, []);
  });
});
