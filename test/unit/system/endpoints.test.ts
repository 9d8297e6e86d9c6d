import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readEndpoints } from '#wanmark/system/endpoints.js';
import type { Run } from '#wanmark/system/run.js';

const device = (kind?: string, unexplained?: true) => ({
  ...{ index: 1, up: true, pointToPoint: true, ethernet: false },
  ...(kind === undefined ? {} : { tunnel: { kind } }),
  ...(unexplained === undefined ? {} : { unexplained }),
});
const DEVICES = new Map([
  ['wg0', device('wireguard')],
  ['wg1', device('wireguard')],
  ['vx0', device('vxlan')],
  ['eth1', device()],
  ['l2tp0', device(undefined, true)],
  ['old0', device(undefined, true)],
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

/** What `ip l2tp show` of iproute2 6.1 prints. */
const SESSIONS = `Session 9 in tunnel 7
  Peer session 9, tunnel 7
  offset 0, peer offset 0
Session 1 in tunnel 2
  Peer session 1, tunnel 1
  interface name: l2tp0
  cookie 00000001
Session 3 in tunnel 7
  Peer session 3, tunnel 7
  interface name: other0
`;
const TUNNELS = `Tunnel 2, encap UDP
  From 192.0.2.1 to 203.0.113.9
  Peer tunnel 1
  UDP source / dest ports: 1701/1701
  UDP checksum: enabled
Tunnel 7, encap IP
  From 2001:db8::1 to 2001:db8::9
  Peer tunnel 7
`;

describe('the far ends of L2TP', () => {
  const answer = (stdout: string, code = 0) => ({ code, stdout, stderr: '' });

  it('are those of the tunnels whose sessions have the devices', async () => {
    const run: Run = async (argv) => answer(argv[3] === 'session' ? SESSIONS : TUNNELS);
    const found = await readEndpoints(['l2tp0', 'old0', 'eth1'], DEVICES, run);
    assert.deepEqual([...found], [['l2tp0', ['203.0.113.9']]]);
  });

  it('are asked for only where a device may be one of L2TP, and not further where the kernel has none', async () => {
    const asked: string[] = [];
    const run: Run = async (argv) => {
      asked.push(argv.join(' '));
      return answer('', 1);
    };
    assert.equal((await readEndpoints(['eth1', 'vx0'], DEVICES, run)).size, 0);
    assert.deepEqual(asked, []);
    assert.equal((await readEndpoints(['old0'], DEVICES, run)).size, 0);
    assert.deepEqual(asked, ['ip l2tp show session']);
  });
});
