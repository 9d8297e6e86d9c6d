import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { checkIproute2, type Machine, missingDevices, strayGateways } from '#wanmark/system/devices.js';
import { wan } from '../flows.js';

/** A machine with lo, eth0 and eth1, and eth1's routes as given. */
function machine(routes4: string[], routes6: string[] = []): Machine {
  return {
    devices: () => new Set(['lo', 'eth0', 'eth1']),
    reaches: () => false,
    run: async (argv) => {
      const routes = (argv[2] === '-6' ? routes6 : routes4).map((dst) => ({ dst }));
      return { code: 0, stdout: JSON.stringify(routes), stderr: '' };
    },
  };
}

describe('missingDevices', () => {
  const of = (dev: string, lan: string[] = []) => missingDevices([wan(1, { dev })], lan, machine([]));

  it('says nothing about devices that exist', () => {
    assert.deepEqual(of('eth1', ['eth0']), []);
  });

  it('names each missing one, and what may be meant', () => {
    assert.deepEqual(of('eht1', ['br-lan']), [
      'WAN "wan1": device eht1 does not exist yet; did you mean eth1?',
      '--lan br-lan does not exist yet; this machine has eth0, eth1',
    ]);
  });

  it('says nothing where devices cannot be read', () => {
    assert.deepEqual(missingDevices([wan(1, { dev: 'eth9' })], [], { devices: () => undefined }), []);
  });
});

describe('strayGateways', () => {
  const eth1 = wan(1, { via: '192.0.2.1', via6: undefined });

  it('says nothing about a gateway on the device’s network', async () => {
    assert.deepEqual(await strayGateways([eth1], machine(['192.0.2.0/24'])), []);
    // Some providers give a host route to the gateway.
    assert.deepEqual(await strayGateways([eth1], machine(['192.0.2.1'])), []);
  });

  it('says nothing about a link-local IPv6 gateway, a device without network, or a missing device', async () => {
    const linkLocal = wan(1, { via: undefined, via6: 'fe80::1' });
    assert.deepEqual(await strayGateways([linkLocal], machine([], ['2001:db8::/64'])), []);
    assert.deepEqual(await strayGateways([eth1], machine([])), []);
    const later = { ...eth1, dev: 'ppp0' };
    assert.deepEqual(await strayGateways([later], machine(['198.51.100.0/24'])), []);
  });

  it('starts no program for a gateway that the kernel takes', async () => {
    const asked: string[] = [];
    const reaches: Machine['reaches'] = (device, family, address) =>
      asked.push(`${device} ${family} ${address}`) > 0;
    const run: Machine['run'] = () => assert.fail('a program');
    const both = wan(1, { via: '192.0.2.1', via6: '2001:db8::1' });
    assert.deepEqual(await strayGateways([both], { ...machine([]), reaches, run }), []);
    assert.deepEqual(asked, ['eth1 4 192.0.2.1', 'eth1 6 2001:db8::1']);
  });

  it("names a gateway elsewhere and the device's networks", async () => {
    assert.deepEqual(await strayGateways([eth1], machine(['198.51.100.0/24'])), [
      'WAN "wan1": gateway 192.0.2.1 is not on the network of eth1 (198.51.100.0/24); correct via or dev',
    ]);
    const six = wan(1, { via: undefined, via6: '2001:db8:1::1' });
    const [line] = await strayGateways([six], machine([], ['2001:db8::/64', 'fe80::/64']));
    assert.match(line!, /gateway 2001:db8:1::1 is not on the network of eth1 \(2001:db8::\/64\)/);
  });
});

describe('checkIproute2', () => {
  it('says in one line that ip is missing, and how to get it', () => {
    assert.throws(() => checkIproute2('/nonexistent:/proc'), {
      code: 'NO_IPROUTE2',
      message: 'ip is missing; install it (Debian: apt-get install iproute2)',
    });
  });

  it('finds it in any folder of the path', () => {
    const folder = mkdtempSync(join(tmpdir(), 'wanmark-ip-'));
    try {
      // A folder of that name is not a program.
      mkdirSync(join(folder, 'no', 'ip'), { recursive: true });
      writeFileSync(join(folder, 'ip'), '', { mode: 0o755 });
      checkIproute2(`/nonexistent:${join(folder, 'no')}:${folder}`);
      assert.throws(() => checkIproute2(join(folder, 'no')), { code: 'NO_IPROUTE2' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
