import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DeviceNames } from '#wanmark/daemon/device-names.js';

describe('names of devices', () => {
  it('are read again for an unknown number, once', () => {
    const devices: [number, string][] = [[2, 'eth0']];
    let reads = 0;
    const names = new DeviceNames(() => {
      reads++;
      return devices;
    });
    assert.deepEqual([names.name(2), names.name(2), reads], ['eth0', 'eth0', 1]);
    devices.push([3, 'eth1']);
    assert.deepEqual([names.name(3), names.name(9), names.name(9), reads], ['eth1', '9', '9', 3]);
  });

  it('are numbers for as long as they cannot be read', () => {
    let fails = true;
    const names = new DeviceNames(() => {
      if (fails) throw Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' });
      return [[2, 'eth0']];
    });
    assert.equal(names.name(2), '2');
    fails = false;
    assert.equal(names.name(2), 'eth0');
  });
});
