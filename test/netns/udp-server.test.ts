import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withLab } from '../helpers/lab.js';
import { needs } from '../helpers/requires.js';
import { eventually } from '../helpers/router-state.js';

const PORT = 5353;
/** A server on all addresses, and a client that fails without an answer from where it asked. */
const SERVE = `
const socket = require('node:dgram').createSocket('udp4').bind(${PORT});
socket.on('message', (_, from) => socket.send('answer', from.port, from.address));
`;
const ask = (address: string) => `
const socket = require('node:dgram').createSocket('udp4').on('message', () => process.exit(0));
socket.connect(${PORT}, '${address}', () => socket.send('question'));
setTimeout(() => process.exit(1), 3000);
`;

describe('a UDP server of the router on all addresses', needs(), () => {
  it('answers by each WAN with the rule that the documentation has', async () => {
    await withLab({ wans: 2, ipv6: false, up: ['--engine', 'kernel'] }, async ({ lab }) => {
      lab.router.spawn([process.execPath, '-e', SERVE]);
      const [one, two] = lab.wans as [(typeof lab.wans)[0], (typeof lab.wans)[0]];
      const answers = async (address: string) => {
        const { code } = await lab.server.exec([process.execPath, '-e', ask(address)], { okCodes: 'any' });
        return code === 0;
      };
      await eventually(() => answers(one.address), Boolean, 'an answer by the WAN of the main table');
      assert.equal(await answers(two.address), false, 'what the rule is for');
      await lab.router.sh(
        `iptables -t nat -A PREROUTING -i ${two.dev} -p udp --dport ${PORT} -j DNAT --to-destination ${one.address}`,
      );
      assert.equal(await answers(two.address), true);
    });
  });
});
