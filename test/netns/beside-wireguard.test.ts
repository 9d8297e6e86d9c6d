/** wg-quick on the router, with WireGuard in userspace: a tunnel to one network, then one for everything. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Lab } from '#wanmark/lab/lab.js';
import { SERVER } from '#wanmark/lab/network.js';
import { beside, COUNT, packaged, shares } from '../helpers/beside.js';
import { addon, needs, nfqueue, packages, root, tun } from '../helpers/requires.js';

/** The server's address in the tunnel, of which the router has .2. */
const FAR = '10.77.0.1';
/** Its socket is in /run, which the hosts of a lab share, so each end has a name of its own. */
const up = (dev: string) =>
  `wg-quick up ${dev} >/run/${dev}.log 2>&1 </dev/null || { cat /run/${dev}.log >&2; exit 1; }`;
const DOWN = 'wg-quick down wg0';

/** The shell command that writes a configuration. */
function write(dev: string, ...lines: readonly string[]): string {
  return `mkdir -p /etc/wireguard; umask 077; printf '%s\\n' '${lines.join("' '")}' >/etc/wireguard/${dev}.conf`;
}

/** Starts the server's end. Returns what the router's needs, with the addresses that go by the tunnel still to be named. */
async function configure(lab: Lab): Promise<(allowed: string) => string> {
  const keys = await packaged(
    lab.router,
    'for _ in 1 2; do key=$(wg genkey); echo "$key"; echo "$key" | wg pubkey; done',
  );
  const [secret, known, farSecret, farKnown] = keys.trim().split('\n');
  const far = write(
    'far0',
    ...[
      '[Interface]',
      `Address = ${FAR}/24`,
      `PrivateKey = ${farSecret}`,
      'ListenPort = 51820',
      'Table = off',
    ],
    ...['[Peer]', `PublicKey = ${known}`, 'AllowedIPs = 10.77.0.0/24, 10.0.0.0/24'],
  );
  await packaged(lab.server, `${far}\n${up('far0')}\nip route add 10.0.0.0/24 dev far0`);
  return (allowed) =>
    write(
      'wg0',
      ...['[Interface]', 'Address = 10.77.0.2/24', `PrivateKey = ${secret}`],
      ...['[Peer]', `PublicKey = ${farKnown}`, `Endpoint = ${SERVER[4]}:51820`, `AllowedIPs = ${allowed}`],
    );
}

test(
  'wg-quick: a tunnel takes what it is for, all if need be, and leaves nothing behind',
  needs(nfqueue, addon, root, packages, tun),
  async () => {
    await beside({}, async (it) => {
      const { lab } = it;
      const configured = await configure(lab);
      await lab.server.agent.request({ op: 'serve', port: 7, addresses: [FAR] });

      await it.run(`${configured('10.77.0.0/24')}\n${up('wg0')}`);
      const toFar = await lab.connect({ to: FAR, count: COUNT });
      assert.deepEqual(shares(toFar), { none: COUNT }, 'by the tunnel');
      await it.well('a tunnel to one network');
      await it.run(DOWN);

      await it.run(`${configured('0.0.0.0/0')}\n${up('wg0')}`);
      assert.deepEqual(shares(await lab.connect({ count: COUNT })), { none: COUNT }, 'all by the tunnel');
      await it.run(DOWN);
      await it.whole('the end of a tunnel for everything');
      await it.well('the end of a tunnel for everything');
    });
  },
);
