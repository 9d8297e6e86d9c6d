import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { parseConfig } from '#wanmark/config/config.js';
import type { RawConfig } from '#wanmark/config/options.js';
import { MarkField } from '#wanmark/core/mark.js';
import { States } from '#wanmark/core/states.js';
import { wanTarget } from '#wanmark/core/wan.js';
import { type DaemonMemory, recalled, remembered } from '#wanmark/daemon/memory.js';
import { Uplinks } from '#wanmark/daemon/uplinks.js';
import type { Links } from '#wanmark/system/links.js';
import { FakeClock } from '../wan/fake-clock.js';

const RAW = { wan: ['fibre,dev=eth1,via=192.0.2.1', 'dsl,dev=eth2,via=192.0.2.2'], 'up-after': '20' };
/** The clocks of two processes differ. */
const AHEAD = { first: 500_000, second: 900_000 };

/** The uplinks of one daemon, whose devices are up as `dead` says. */
function daemon(clock: FakeClock, memory?: DaemonMemory, raw: RawConfig = RAW) {
  const dead = new Set<string>();
  const links: Links = {
    state: (device) => (dead.has(device) ? 'without carrier' : 'up'),
    addresses: () => [],
    index: () => 7,
    gateway: () => '192.0.2.1',
    reaches: () => true,
  };
  const config = parseConfig(raw);
  const states = new States(config.wans.map(wanTarget), { now: () => clock.now() });
  const turned: string[] = [];
  const uplinks = new Uplinks({
    wans: config.wans,
    field: new MarkField(0xff),
    health: config.health,
    hasOther: () => true,
    forget: () => undefined,
    onSuspicion: () => undefined,
    states,
    logger: pino({ enabled: false }),
    onChange: ({ wan, up }) => turned.push(`${wan} ${up ? 'up' : 'down'}`),
    onLasting: () => undefined,
    links: () => links,
    clock,
    memory: memory?.targets,
  });
  const look = () => uplinks.unusable(new Set(), clock.now());
  return { uplinks, states, config, turned, dead, look };
}

/** What the second daemon recalls of the first, through a file. */
function handedOver(first: ReturnType<typeof daemon>, raw: RawConfig = RAW) {
  const wans = { balancer: { pools: [], count: () => {} }, memory: () => first.uplinks.memory() };
  const text = JSON.stringify(remembered({ ...first, wans, services: undefined }, AHEAD.first));
  return recalled(JSON.parse(text), parseConfig(raw), AHEAD.second);
}

/** A daemon that has seen a WAN die by its rules three times, so that it is held down. */
async function flapped() {
  const clock = new FakeClock();
  const first = daemon(clock);
  for (let i = 0; i < 2; i++) {
    first.uplinks.unusable(new Set(['dsl/4']), clock.now());
    await clock.pass(5_000);
    first.uplinks.unusable(new Set(), clock.now());
    await clock.pass(i === 0 ? 60_000 : 0);
  }
  return { clock, first };
}

describe('the memory of a daemon', () => {
  it('is who is down, since when and why, and how long it is held down', async () => {
    const { clock, first } = await flapped();
    await first.uplinks.stop();
    const before = first.states.state('dsl/4');
    assert.equal(before.up, false);
    const memory = handedOver(first);
    const second = daemon(new FakeClock(), memory);
    const after = second.states.state('dsl/4');
    assert.deepEqual([second.states.takes('dsl/4'), second.states.takes('fibre/4')], [false, true]);
    assert.equal(after.reason, before.reason);
    assert.equal(after.since + AHEAD.second, before.since + AHEAD.first, 'the same moment by another clock');
    assert.deepEqual(second.turned, [], 'nothing has changed');
    assert.ok(clock.now() > 0);
    await second.uplinks.stop();
  });

  it('does not keep a WAN down for ever that nobody says anything of', async () => {
    const { first } = await flapped();
    await first.uplinks.stop();
    const clock = new FakeClock();
    const second = daemon(clock, handedOver(first));
    await clock.pass(19_000);
    assert.deepEqual(second.turned, []);
    await clock.pass(400_000);
    assert.deepEqual(second.turned, ['dsl up']);
    await second.uplinks.stop();
  });

  it('is not what was set by hand', async () => {
    const { first } = await flapped();
    first.states.setByHand('dsl', true);
    await first.uplinks.stop();
    assert.equal(handedOver(first)!.targets.has('dsl/4'), false);
  });

  it('is left alone where a name means another line now, or another version wrote it', async () => {
    const { first } = await flapped();
    await first.uplinks.stop();
    const memory = handedOver(first, { wan: [RAW.wan[0]!, 'dsl,dev=eth3,via=192.0.2.2'] })!;
    assert.deepEqual([...memory.targets.keys()], []);
    assert.equal(recalled({ format: 2 }, first.config, 0), undefined);
    assert.equal(recalled(undefined, first.config, 0), undefined);
  });
});
