/** A tunnel that is a WAN, whose own packets take main's default route: without a guard they would be led into it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { addon, namespaces, needs, program } from '../helpers/requires.js';
import { Script } from './print-harness.js';
import { Machine, SERVER, SERVER6, tally, VARIANTS } from './rules-harness.js';

const PORT = '7000';
/** The far end, which is behind main's default route, by w1. */
const FAR = '203.0.113.9';
const TUNNEL = 'tunnel,dev=vx0,via=10.55.0.1,via6=fd55::1';
const OTHER = 'other,dev=w2,via=192.0.2.1,via6=2001:db8:2::1';
const NTH = { engine: 'kernel', 'kernel-mode': 'nth' };

describe('a tunnel as a WAN', needs(namespaces, addon, program('busybox')), () => {
  let machine: Machine;
  const call = async (netns: string | undefined, to: string, count = 6) =>
    tally(await machine.call(['udp', String(count), to, PORT], netns));
  const up = (wan: readonly string[], more: object = NTH) => {
    const { status, stderr } = machine.wanmark('up', { wan, ...more });
    assert.equal(status, 0, stderr);
    return stderr;
  };

  before(async () => {
    machine = await Machine.start();
    machine.buildNetwork();
    machine.addLinkLocal();
    machine.sh(`
      ip -n inet addr add ${FAR}/32 dev lo
      ip link add vx0 type vxlan id 5 local 192.0.1.2 remote ${FAR} dstport 4789
      ip -n inet link add vx0 type vxlan id 5 local ${FAR} remote 192.0.1.2 dstport 4789
      for where in '' '-n inet'; do ip $where link set vx0 up; done
      ip addr add 10.55.0.2/24 dev vx0; ip -n inet addr add 10.55.0.1/24 dev vx0
      ip addr add fd55::2/64 dev vx0 nodad; ip -n inet addr add fd55::1/64 dev vx0 nodad`);
    const serving = await machine.peer(['serve', PORT, SERVER, SERVER6], 'inet');
    assert.equal(await serving.line(), 'ready');
  });
  after(() => machine.stop());

  for (const [name, more] of Object.entries({
    'the kernel chooses': NTH,
    'a daemon would choose': { 'kernel-mode': 'nth' },
    "the router's own are left to main": { ...NTH, own: 'off' },
  })) {
    test(`whose carrier is no WAN, where ${name}: all arrives, in both families`, async () => {
      assert.doesNotMatch(up([TUNNEL, OTHER], more), /is a tunnel/);
      assert.deepEqual(await call('client', SERVER), { '10.55.0.2': 3, '192.0.2.2': 3 });
      assert.deepEqual(await call('client', SERVER6), { 'fd55::2': 3, '2001:db8:2::2': 3 });
    });
  }

  test('that is the only WAN, and by a printed script', async () => {
    up([TUNNEL]);
    assert.deepEqual(await call('client', SERVER), { '10.55.0.2': 6 });
    assert.equal(machine.wanmark('down').status, 0);
    const script = new Script(machine, ['--wan', TUNNEL, '--engine', 'kernel'], VARIANTS.nft);
    try {
      const { status, stderr } = script.run(machine, 'up');
      assert.equal(status, 0, stderr);
      assert.deepEqual(await call('client', SERVER), { '10.55.0.2': 6 });
    } finally {
      script.run(machine, 'down');
      script.remove();
    }
  });
});
