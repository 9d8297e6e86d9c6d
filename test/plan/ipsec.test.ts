/** IPsec on a machine whose rules cannot ask for it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { parseConfig } from '#wanmark/config/config.js';
import { buildPlan } from '#wanmark/plan/build.js';
import type { Ipsec } from '#wanmark/plan/facts.js';
import { planLists } from '#wanmark/plan/render/lists.js';
import { renderScript } from '#wanmark/plan/render/script.js';
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

describe('what came out of IPsec', () => {
  test('is none of the WAN that carried it, but the WAN of a device where IPsec ends', () => {
    const devices = new Map(ROUTER.devices).set('eth2', { ...ROUTER.devices.get('eth2')!, ipsec: true });
    const lines = [...planLists(buildPlan(config, { ...ROUTER, devices }, NO_STATES)).values()].flat();
    assert.ok(lines.includes('-A WANMARK -i eth1 -m policy --dir in --pol ipsec -j RETURN'));
    assert.ok(!lines.some((line) => /-i eth2 .*policy/.test(line)));
  });

  test('comes by a device of its own: the script finds those', () => {
    const script = renderScript(config, { 4: 'iptables', 6: 'ip6tables' });
    const [carriers] = /^carriers\(\) \{\n[\s\S]*?\n\}$/m.exec(script)!;
    const ip =
      'ip() { case $6 in eth1) echo "2: eth1: <UP> mtu 1500" ;; *) echo "3: $6: <UP>\\\\    xfrm if_id 0x1" ;; esac; }';
    const { stdout } = spawnSync('sh', {
      input: `${ip}\n${carriers}\ncarriers eth1 ipsec0`,
      encoding: 'utf8',
    });
    assert.equal(stdout, 'eth1\n');
  });
});

describe('rules about IPsec', () => {
  test('are there unless the machine cannot ask', () => {
    const { lines, notes } = plan('matched');
    assert.ok(lines.filter(asks).length >= 5);
    assert.doesNotMatch(notes.join('\n'), /IPsec/);
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
