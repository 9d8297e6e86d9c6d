import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readEndpoints } from '#wanmark/system/endpoints.js';
import type { Run } from '#wanmark/system/run.js';

const device = (kind?: string) => ({
  ...{ index: 1, up: true, pointToPoint: true, ethernet: false },
  ...(kind === undefined ? {} : { tunnel: { kind } }),
});
const DEVICES = new Map([
  ['wg0', device('wireguard')],
  ['wg1', device('wireguard')],
  ['vx0', device('vxlan')],
  ['eth1', device()],
]);

describe('the endpoints of WireGuard', () => {
  it("are asked of its program, for the WANs' devices of that kind alone", async () => {
    const asked: string[] = [];
    const run: Run = async (argv) => {
      asked.push(argv.join(' '));
      const stdout = 'aaa=\t203.0.113.9:51820\nbbb=\t(none)\nccc=\t[2001:db8::9]:5\nddd=\t203.0.113.9:1\n';
      return { code: argv[2] === 'wg0' ? 0 : 127, stdout, stderr: '' };
    };
    const found = await readEndpoints(['wg0', 'wg1', 'vx0', 'eth1', 'wg0', 'gone'], DEVICES, run);
    assert.deepEqual(asked, ['wg show wg0 endpoints', 'wg show wg1 endpoints']);
    assert.deepEqual(
      [...found],
      [
        ['wg0', ['2001:db8::9', '203.0.113.9']],
        ['wg1', []],
      ],
    );
  });
});
