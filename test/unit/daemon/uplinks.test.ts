import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { pino } from 'pino';
import { parseConfig } from '#wanmark/config/config.js';
import { MarkField } from '#wanmark/core/mark.js';
import { Uplinks } from '#wanmark/daemon/uplinks.js';
import type { Links } from '#wanmark/system/links.js';
import { statesOf, wan } from '../flows.js';
import { FakeClock } from '../wan/fake-clock.js';

/** How often the devices are looked at when `ip monitor` tells nothing. */
const LOOK_MS = 2000;

/** WANs whose devices are as the test says. `ip monitor` never tells of them; only the regular look notices changes. */
function world(t: TestContext, { count = 2, upAfterMs = 0 } = {}) {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const clock = new FakeClock();
  const numbers = Array.from({ length: count }, (_, i) => i + 1);
  const gateways: Record<string, string | undefined> = {};
  for (const n of numbers) gateways[`eth${n}`] = `192.0.2.${n}`;
  const links: Links = {
    state: () => 'up',
    addresses: () => [],
    index: () => 7,
    gateway: (device) => gateways[device],
    reaches: () => true,
  };
  const heard: string[] = [];
  const hear = (text: string) => heard.push(text);
  const wans = numbers.map((n) => wan(n, { dev: `eth${n}`, via: 'auto', via6: undefined }));
  const states = statesOf(wans);
  let looks = 0;
  const uplinks = new Uplinks({
    wans,
    field: new MarkField(0xff),
    health: { ...parseConfig({ wan: ['a,dev=eth1'] }).health, upAfterMs },
    hasOther: () => true,
    forget: () => {},
    onSuspicion: () => {},
    states,
    logger: pino({ enabled: false }),
    onChange: ({ wan: name, up }) => hear(`${name} ${up ? 'up' : 'down'}`),
    onLasting: ({ wan: name }) => hear(`${name} lasts`),
    onLinks: () => looks++,
    onMoved: () => hear('moved'),
    links: () => links,
    clock,
  });
  assert.equal(looks, 1, 'what is down at the start is known at once');
  uplinks.begin();
  t.after(() => uplinks.stop());
  /** What the next regular look reports, after checking that nothing came before it. */
  const next = () => {
    t.mock.timers.tick(LOOK_MS - 1);
    assert.deepEqual(heard, []);
    t.mock.timers.tick(1);
    return heard.splice(0);
  };
  return { uplinks, states, gateways, heard, next, clock };
}

describe('Uplinks', () => {
  it('tells of another gateway, and of a WAN that has lost it, at the next look', (t) => {
    const { states, gateways, heard, next } = world(t);
    assert.deepEqual(heard, []);
    gateways.eth2 = '192.0.2.12';
    assert.deepEqual(next(), ['moved']);
    gateways.eth2 = undefined;
    assert.deepEqual(next(), ['wan2 down', 'moved']);
    assert.equal(states.state('wan2/4').reason, 'device eth2 has no IPv4 address');
    gateways.eth2 = '192.0.2.13';
    assert.deepEqual(next(), ['wan2 up', 'moved']);
  });

  it('takes down a WAN that the rules have no route for, as long as that is so', (t) => {
    const { uplinks, states, heard, clock } = world(t);
    const now = clock.now();
    uplinks.unusable(new Set(['wan2/4']), now);
    assert.deepEqual(heard.splice(0), ['wan2 down']);
    assert.equal(states.state('wan2/4').reason, 'the rules have no IPv4 route by device eth2');
    uplinks.unusable(new Set(), now);
    assert.deepEqual(heard, ['wan2 up']);
  });

  it('does not believe rules that were looked at before the last change', (t) => {
    const { uplinks, gateways, heard, next, clock } = world(t);
    const before = clock.now();
    clock.stall(1);
    gateways.eth2 = '192.0.2.12';
    next();
    uplinks.unusable(new Set(['wan2/4']), before);
    assert.deepEqual(heard, []);
  });

  it('makes two WANs that are back at the same look wait while a third one is up', async (t) => {
    const { states, gateways, heard, next, clock } = world(t, { count: 3, upAfterMs: 30_000 });
    const gone = [1, 2];
    for (const n of gone) gateways[`eth${n}`] = undefined;
    assert.deepEqual(next(), ['wan1 down', 'wan2 down', 'moved']);
    await clock.pass(2000);
    assert.deepEqual(heard.splice(0), ['wan1 lasts', 'wan2 lasts']);
    for (const n of gone) gateways[`eth${n}`] = `192.0.2.${n}`;
    assert.deepEqual(next(), ['moved']);
    for (const n of gone) assert.ok(states.state(`wan${n}/4`).heldUntil! > clock.now());
    // Without a WAN that is up, one of those that wait is better than none; the other has no need to hurry.
    gateways.eth3 = undefined;
    assert.deepEqual(next(), ['wan3 down', 'wan1 up', 'moved']);
    assert.deepEqual(heard, []);
    assert.equal(states.state('wan2/4').up, false);
  });
  it('forgives an outage that is over when it looks again after two seconds, though it was told of nothing', async (t) => {
    const { gateways, heard, next, clock } = world(t, { upAfterMs: 30_000 });
    gateways.eth2 = undefined;
    assert.deepEqual(next(), ['wan2 down', 'moved']);
    gateways.eth2 = '192.0.2.2';
    await clock.pass(2000);
    assert.deepEqual(heard, ['wan2 up', 'moved']);
  });

  it('lets an outage last at once when the WAN is set down meanwhile, and never after the watch has ended', async (t) => {
    const { uplinks, gateways, heard, next, clock } = world(t);
    for (const n of [1, 2]) gateways[`eth${n}`] = undefined;
    assert.deepEqual(next(), ['wan1 down', 'wan2 down', 'moved']);
    uplinks.setDown('wan2', true);
    assert.deepEqual(heard.splice(0), ['wan2 lasts']);
    await uplinks.stop();
    await clock.pass(10_000);
    assert.deepEqual(heard, []);
  });
});
