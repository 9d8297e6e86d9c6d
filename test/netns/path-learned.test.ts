import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Lab } from '#wanmark/lab/lab.js';
import { SERVER } from '#wanmark/lab/network.js';
import { masquerade, withLab } from '../helpers/lab.js';
import { needs } from '../helpers/requires.js';
import { eventually, ipRules } from '../helpers/router-state.js';
import { tally } from '../helpers/traffic.js';

const KERNEL = ['--engine', 'kernel', '--kernel-mode', 'nth'];
/** Sends more than one packet's worth over TCP to the lab's server, which reads lines. */
const PUSH = `
const socket = require('node:net').connect(7, '${SERVER[6]}', () => socket.end('x'.repeat(20000)));
socket.on('error', () => {}).resume();
setTimeout(() => process.exit(), 60_000).unref();
`;

/** The exceptions that the kernel keeps beside IPv6 routes. */
async function learned(lab: Lab): Promise<string> {
  return (await lab.router.exec(['ip', '-6', 'route', 'show', 'cache', 'table', 'all'])).stdout;
}

/** Lets the router's own sockets learn that the path to the server is narrow. */
async function learnPathMtu(lab: Lab): Promise<void> {
  for (const wan of lab.wans) await lab.gateway(wan).sh('ip link set net0 mtu 1300');
  await lab.router.exec([process.execPath, '-e', PUSH]);
  await eventually(
    () => learned(lab),
    (text) => text.includes('mtu 1300'),
    'an exception',
  );
}

const shares = async (lab: Lab) => tally(await lab.connect({ family: 6, count: 6 }));

describe('what the router’s own IPv6 sockets learn', needs(), () => {
  it('does not lead clients: before up, after it, and again when the route of main is another one', async () => {
    await withLab({ wans: 2, prepare: masquerade }, async ({ lab, wanmark }) => {
      await learnPathMtu(lab);
      await wanmark.up(...KERNEL);
      assert.deepEqual(await shares(lab), { wan1: 3, wan2: 3 }, 'learned before up');
      await learnPathMtu(lab);
      assert.deepEqual(await shares(lab), { wan1: 3, wan2: 3 }, 'learned afterwards');
      const { via6, dev } = lab.wans[1]!;
      await lab.router.sh(`ip -6 route replace default via ${via6} dev ${dev}`);
      await wanmark.command(['refresh']);
      await learnPathMtu(lab);
      assert.deepEqual(await shares(lab), { wan1: 3, wan2: 3 }, 'by another default route');
      await lab.router.sh(`ip -6 route add ${SERVER[6]} via ${via6} dev ${dev}`);
      assert.deepEqual(await shares(lab), { wan2: 6 }, 'a configured route wins at once');
      await wanmark.down();
      assert.deepEqual(await ipRules(lab.router, 6), ['from all lookup local', 'from all lookup main']);
    });
  });
});
