import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UsageError } from '#wanmark/errors.js';
import { checkDevices } from '#wanmark/system/devices.js';
import type { Run } from '#wanmark/system/run.js';
import { wan } from '../flows.js';

/** A machine with lo, eth0 and eth1, and eth1's routes as given. */
function machine(routes4: string[], routes6: string[] = []): Run {
  return async (argv) => {
    const links = ['lo', 'eth0', 'eth1'].map((ifname, i) => ({ ifname, ifindex: i + 1 }));
    const routes = (argv[2] === '-6' ? routes6 : routes4).map((dst) => ({ dst }));
    return { code: 0, stdout: JSON.stringify(argv.includes('link') ? links : routes), stderr: '' };
  };
}

const rejects = (promise: Promise<void>, complaint: RegExp) =>
  assert.rejects(promise, (error) => error instanceof UsageError && complaint.test(error.message));

describe('checkDevices', () => {
  const eth1 = wan(1, { via: '192.0.2.1', via6: undefined });

  it('accepts a gateway on the device’s network', async () => {
    await checkDevices([eth1], ['eth0'], machine(['192.0.2.0/24']));
    await checkDevices([eth1], [], machine(['192.0.2.1'])); // a host route, as some providers have it
  });

  it('accepts a device that comes later where the gateway is to be followed', async () => {
    const later = { dev: 'wwan0', via: 'auto', via6: undefined };
    await checkDevices([wan(1, later)], [], machine([]));
    await rejects(checkDevices([wan(1, { ...later, via: 'dev' })], [], machine([])), /wwan0 does not exist/);
  });

  it('accepts a link-local IPv6 gateway, and a device that has no network at the moment', async () => {
    await checkDevices([wan(1, { via: undefined, via6: 'fe80::1' })], [], machine([], ['2001:db8::/64']));
    await checkDevices([eth1], [], machine([]));
  });

  it('refuses a gateway elsewhere', async () => {
    await rejects(
      checkDevices([eth1], [], machine(['198.51.100.0/24'])),
      /gateway 192.0.2.1 is not on the network of eth1 \(198.51.100.0\/24\)/,
    );
    await rejects(
      checkDevices(
        [wan(1, { via: undefined, via6: '2001:db8:1::1' })],
        [],
        machine([], ['2001:db8::/64', 'fe80::/64']),
      ),
      /gateway 2001:db8:1::1 is not on the network of eth1 \(2001:db8::\/64\)/,
    );
  });

  it('refuses devices that do not exist and says which do', async () => {
    await rejects(
      checkDevices([wan(7)], [], machine([])),
      /device eth7 does not exist; this machine has eth0, eth1/,
    );
    await rejects(checkDevices([eth1], ['br0'], machine([])), /--lan br0 does not exist/);
  });
});
