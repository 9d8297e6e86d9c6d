import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDevices } from '#wanmark/system/links.js';

test('the devices are those of /proc/net/dev, each with a name', () => {
  const devices = [...(readDevices() ?? [])];
  assert.ok(devices.includes('lo'), devices.join(', '));
  assert.ok(!devices.includes(''), `"${devices.join('", "')}"`);
});
