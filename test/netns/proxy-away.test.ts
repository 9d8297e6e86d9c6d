/** Proxies keep their connections while no daemon answers, also where their rules cannot be copied. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Host } from '#wanmark/lab/host.js';
import { SERVER } from '#wanmark/lab/network.js';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue, program, root } from '../helpers/requires.js';
import { eventually } from '../helpers/router-state.js';
import { tally } from './rules-harness.js';

const COUNT = 12;
/** Takes whatever TPROXY leads to its port, by SOL_IP's IP_TRANSPARENT, and says that it did. */
const PROXY = `
import socket
listener = socket.socket()
listener.setsockopt(0, 19, 1)
listener.bind(('0.0.0.0', 12345))
listener.listen(99)
print('ready', flush=True)
while True:
    one, _ = listener.accept()
    one.sendall(b'the proxy')
    one.close()`;
/** Answers with the address that a connection came from. */
const ECHO = `for (const port of [80, 81])
  require('net').createServer((one) => one.on('error', () => {}).end(one.remoteAddress)).listen(port, '${SERVER[4]}',
    () => console.log('ready'));`;
/** Makes connections one after another, and prints what each was told. */
const ASK = `const next = (left) => {
    if (left === 0) return;
    let text = '';
    require('net').connect(process.argv[2], '${SERVER[4]}').setTimeout(5000, function () { this.destroy(new Error('no answer')); })
      .on('data', (part) => { text += part; })
      .on('error', (error) => { text = error.message; })
      .on('close', () => { console.log(text); next(left - 1); });
  };
  next(Number(process.argv[1]));`;

/** As v2ray's and Xray's manuals write them: what the proxy itself sends has the mark 255, which cannot be copied. */
const RECIPE = `
  ip route add local default dev lo table 100
  ip rule add fwmark 1 lookup 100
  iptables -t mangle -N V2RAY
  iptables -t mangle -A V2RAY -d 10.0.0.0/8 -j RETURN
  iptables -t mangle -A V2RAY -j RETURN -m mark --mark 0xff
  iptables -t mangle -A V2RAY -p tcp --dport 80 -j TPROXY --on-port 12345 --tproxy-mark 1
  iptables -t mangle -A PREROUTING -j V2RAY
  iptables -t mangle -N V2RAY_MASK
  iptables -t mangle -A V2RAY_MASK -j RETURN -m mark --mark 0xff
  iptables -t mangle -A V2RAY_MASK -p tcp --dport 80 -j MARK --set-mark 1
  iptables -t mangle -A OUTPUT -j V2RAY_MASK`;

async function ask(host: Host, port: number): Promise<Record<string, number>> {
  const { stdout } = await host.exec([process.execPath, '-e', ASK, String(COUNT), String(port)]);
  return tally(stdout.trim().split('\n'));
}

describe('a proxy whose rules cannot be copied', needs(nfqueue, addon, root, program('python3')), () => {
  test("has clients' and the router's connections with the daemon and without it", async () => {
    await withLab({ wans: 2, ipv6: false, up: [], run: [] }, async ({ lab, wanmark, daemon }) => {
      const { client, router, server } = lab;
      const echo = server.spawn([process.execPath, '-e', ECHO]);
      await echo.waitForLine(/^ready$/);
      const proxy = router.spawn(['python3', '-c', PROXY]);
      await proxy.waitForLine(/^ready$/);
      await router.sh(RECIPE);
      const last = async () => {
        const { stdout } = await router.sh('iptables -t mangle -S PREROUTING; iptables -t mangle -S OUTPUT');
        return stdout
          .split('\n')
          .filter((line, i, all) => line !== '' && all[i + 1]?.startsWith('-A') !== true);
      };
      const wanted = (lines: string[]) =>
        lines.filter((line) => line.endsWith('-j WANMARK_ASKED')).length === 2;
      await eventually(last, wanted, 'the question is the last of both chains');
      const [one, two] = lab.wans.map(({ address }) => address) as [string, string];
      const even = { [one]: COUNT / 2, [two]: COUNT / 2 };
      const taken = { 'the proxy': COUNT };

      assert.deepEqual(await ask(client, 80), taken, 'clients, with the daemon');
      assert.deepEqual(await ask(router, 80), taken, 'the router, with the daemon');
      assert.deepEqual(await ask(client, 81), even, 'others are balanced');
      assert.deepEqual(await ask(router, 81), even, 'the router, too');

      // Another rule of theirs, behind ours.
      await router.sh(
        'iptables -t mangle -D OUTPUT -j V2RAY_MASK; iptables -t mangle -A OUTPUT -j V2RAY_MASK',
      );
      await router.sh('iptables -t mangle -D PREROUTING -j V2RAY; iptables -t mangle -A PREROUTING -j V2RAY');
      await eventually(last, wanted, 'the question is the last again');

      await daemon.crash();
      assert.deepEqual(await ask(client, 80), taken, 'clients, without the daemon');
      assert.deepEqual(await ask(router, 80), taken, 'the router, without the daemon');
      const { [one]: a = 0, [two]: b = 0 } = await ask(client, 81);
      assert.equal(a + b, COUNT, 'the kernel chooses for others');

      await router.sh('iptables -t mangle -F V2RAY; iptables -t mangle -F V2RAY_MASK');
      await wanmark.command(['refresh']);
      const { stdout } = await router.sh('iptables-save -t mangle');
      assert.doesNotMatch(stdout, /WANMARK_ASKED/, 'without such rules it asks in its place');
      await proxy.kill();
      await echo.kill();
    });
  });
});
