/** A real Squid on the router: explicit, intercepting, and with the clients' addresses (TPROXY). */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Lab } from '#wanmark/lab/lab.js';
import { SERVER } from '#wanmark/lab/network.js';
import { withLab } from '../helpers/lab.js';
import { addon, needs, nfqueue, program, root } from '../helpers/requires.js';
import { eventually } from '../helpers/router-state.js';
import { tally } from './rules-harness.js';

const COUNT = 20;
/** Answers each request with the address that it came from. */
const WEB = `require('http').createServer((request, response) => response.end(request.socket.remoteAddress))
  .listen(80, '${SERVER[4]}', () => console.log('ready'))`;
/** Makes requests one after another, by a proxy if one is named, and prints the answers. */
const GET = `const [count, proxy] = process.argv.slice(1);
  const http = require('http');
  const next = (left) => {
    if (left === 0) return;
    const to = proxy ? { host: proxy, port: 3128, path: 'http://${SERVER[4]}/' + left } : { host: '${SERVER[4]}', path: '/' + left };
    http.get({ ...to, agent: false, headers: { Host: '${SERVER[4]}' } }, (answer) => {
      let text = '';
      answer.on('data', (part) => { text += part; }).on('end', () => {
        console.log(answer.headers.via ? text : 'not by the proxy: ' + text);
        next(left - 1);
      });
    }).on('error', (error) => { console.log(error.message); next(left - 1); });
  };
  next(Number(count));`;

/** Squid in a folder of its own, which its user can write. */
function configure(folder: string, lan: string): string {
  const file = join(folder, 'squid.conf');
  writeFileSync(
    file,
    `http_port ${lan}:3128
http_port 3129 intercept
http_port 3130 tproxy
acl everybody src all
http_access allow everybody
cache deny all
pid_filename none
access_log none
cache_log ${folder}/log
coredump_dir ${folder}
server_persistent_connections off
client_persistent_connections off
pinger_enable off
visible_hostname router
dns_nameservers 127.0.0.1
shutdown_lifetime 0 seconds
`,
  );
  return file;
}

async function get(lab: Lab, proxy?: string): Promise<Record<string, number>> {
  const words = [String(COUNT), ...(proxy === undefined ? [] : [proxy])];
  const { stdout } = await lab.client.exec([process.execPath, '-e', GET, ...words]);
  return tally(stdout.trim().split('\n'));
}

describe('Squid on the router', needs(nfqueue, addon, root, program('squid')), () => {
  test("its own connections are balanced; a client's that it takes is not decided", async () => {
    const folder = mkdtempSync(join(tmpdir(), 'wanmark-squid-'));
    try {
      await withLab({ wans: 2, ipv6: false, up: [], run: [] }, async ({ lab, daemon }) => {
        const { router } = lab;
        const web = lab.server.spawn([process.execPath, '-e', WEB]);
        await web.waitForLine(/^ready$/);
        const lan = router.addresses[4].find((address) => address.startsWith('10.'))!;
        await router.exec(['chown', '-R', 'proxy', folder]).catch(() => undefined);
        const squid = router.spawn(['squid', '-N', '-f', configure(folder, lan)]);
        const out = async (script: string) => (await router.sh(script)).stdout;
        // The ports 3128, 3129 and 3130 in hexadecimal, listening.
        const listening = "grep -hE ':0C3[89A] [0-9A-F]+:0000 0A ' /proc/net/tcp /proc/net/tcp6 | wc -l";
        await eventually(
          () => out(listening),
          (count) => count.trim() === '3',
          'three ports',
        );
        const [one, two] = lab.wans.map(({ address }) => address) as [string, string];
        const even = { [one]: COUNT / 2, [two]: COUNT / 2 };
        const redirected = /^-A WANMARK_PROXY -i lan0 -p tcp -m tcp --dport 80 -j RETURN$/m;
        const follows = (yes: boolean) =>
          eventually(
            () => out('iptables-save -t mangle'),
            (saved) => redirected.test(saved) === yes,
            'the rules follow',
          );

        assert.deepEqual(await get(lab, lan), even, 'explicit');

        await router.sh(
          'iptables -t nat -N PROXY; iptables -t nat -A PREROUTING -i lan0 -p tcp -j PROXY; iptables -t nat -A PROXY -p tcp --dport 80 -j REDIRECT --to-ports 3129',
        );
        await follows(true);
        assert.deepEqual(await get(lab), even, 'intercepting');

        await router.sh('iptables -t nat -F PROXY');
        await follows(false);
        await router.sh(`
          ip route add local default dev lo table 100
          ip rule add priority 99 iif lo fwmark 0x10000/0x10000 goto 20000
          ip rule add priority 100 fwmark 0x10000/0x10000 lookup 100
          iptables -t mangle -N DIVERT
          iptables -t mangle -A DIVERT -j MARK --set-xmark 0x10000/0x10000
          iptables -t mangle -A DIVERT -j ACCEPT
          iptables -t mangle -A PREROUTING -p tcp -m socket --transparent -j DIVERT
          iptables -t mangle -A PREROUTING -i lan0 -p tcp --dport 80 -j TPROXY --on-port 3130 --tproxy-mark 0x10000/0x10000`);
        await follows(true);
        for (const mode of [1, 2]) {
          await router.sh(`for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo ${mode} > $file; done`);
          await eventually(
            () => out('cat /proc/sys/net/ipv4/conf/wan?/src_valid_mark'),
            (values) => values === (mode === 1 ? '1\n1\n' : '0\n0\n'),
            'src_valid_mark follows rp_filter',
          );
          assert.deepEqual(await get(lab), even, `with the client's address, rp_filter ${mode}`);
        }
        await squid.kill();
        await web.kill();
        await daemon.stop();
        assert.equal(daemon.decisions.length, 4 * COUNT, 'one for each request, which is the one of Squid');
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
