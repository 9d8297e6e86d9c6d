// Each check leaves by its WAN alone, counted at the gateways, for every kind, family and WAN, with a device for each
// WAN and with one for all; and no check reaches the daemon's queue.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hex } from '#wanmark/core/mark.js';
import type { Lab } from '#wanmark/lab/lab.js';
import { type LabWan, SERVER } from '#wanmark/lab/network.js';
import type { CheckPath } from '#wanmark/wan/check/check.js';
import type { Checked } from '../helpers/checker.js';
import { withLab } from '../helpers/lab.js';
import { WAN_FIELD } from '../helpers/marks.js';
import { addon, needs, nfqueue } from '../helpers/requires.js';
import { packets } from '../helpers/router-state.js';

const CHECKER = fileURLToPath(new URL('../helpers/checker.js', import.meta.url));
const TARGETS = fileURLToPath(new URL('../helpers/targets.js', import.meta.url));
/** Addresses that no host has: the server's own network answers "unreachable" after a while, or nothing. */
const DEAD = { 4: '203.0.113.200', 6: '2001:db8:f::200' } as const;
const inUrl = (address: string) => (address.includes(':') ? `[${address}]` : address);

function pathOf(wan: LabWan, family: 4 | 6, more: Partial<CheckPath> = {}): CheckPath {
  const gateway = family === 6 ? wan.via6 : wan.via;
  return { wan: wan.name, family, mark: WAN_FIELD.encode(wan.number), device: wan.dev, gateway, ...more };
}

/** Runs checks in one process, one after another. */
async function checkAll(
  lab: Lab,
  texts: readonly string[],
  path: CheckPath,
  { rounds = 1, nameserver = '' } = {},
): Promise<Checked[]> {
  const all = texts.map((text) => `all=${text}`);
  const argv = [process.execPath, CHECKER, JSON.stringify(path), String(rounds), ...all];
  // A program of `ip netns exec` has mounts of its own.
  const resolving = `echo nameserver ${nameserver} >/run/resolv.conf; mount --bind /run/resolv.conf /etc/resolv.conf; exec "$@"`;
  const { stdout } = await lab.router.exec(
    nameserver === '' ? argv : ['sh', '-ec', resolving, 'sh', ...argv],
  );
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Checked);
}

async function check(lab: Lab, text: string, path: CheckPath, rounds = 1): Promise<Checked> {
  return (await checkAll(lab, [text], path, { rounds }))[0]!;
}

async function serve(lab: Lab) {
  const targets = lab.server.spawn([process.execPath, TARGETS, ...Object.values(SERVER)]);
  await targets.waitForLine(/^ready/);
  return targets;
}

/** Makes each gateway count the packets to the server. */
async function countAtGateways(lab: Lab): Promise<void> {
  for (const wan of lab.wans) {
    for (const [tool, address] of [
      ['iptables', SERVER[4]],
      ['ip6tables', SERVER[6]],
    ] as const) {
      // Only SYNs are counted of TCP: the end of a connection may come while the next one is counted.
      await lab
        .host(wan.gateway)
        .sh(
          `${tool} -t raw -A PREROUTING -p tcp ! --syn -j ACCEPT; ${tool} -t raw -A PREROUTING -d ${address}`,
        );
    }
  }
}

/** Packets to the server that each gateway has seen since the last call. */
async function seen(lab: Lab, family: 4 | 6): Promise<number[]> {
  const tool = family === 6 ? 'ip6tables' : 'iptables';
  const counts = [];
  for (const wan of lab.wans) {
    const rules = await lab.host(wan.gateway).counters('raw', 'PREROUTING', family);
    counts.push(rules.at(-1)!.packets);
    await lab.host(wan.gateway).exec([tool, '-t', 'raw', '-Z']);
  }
  return counts;
}

const kinds = (family: 4 | 6): Record<string, string> => {
  const server = inUrl(SERVER[family]);
  return {
    ping: `ping,to=${SERVER[family]},timeout=10`,
    tcp: `tcp,to=${server}:80,timeout=10`,
    http: `http,to=http://${server}/generate_204,timeout=10`,
    dns: `dns,to=${SERVER[family]},timeout=10`,
  };
};

for (const sharedPort of [false, true]) {
  const where = sharedPort ? 'one device for all WANs' : 'a device for each WAN';
  describe(`with ${where}`, needs(nfqueue, addon), () => {
    it('each check leaves by its WAN alone, IPv4 and IPv6, and is not balanced as a new connection', async () => {
      await withLab({ wans: 2, sharedPort, up: [] }, async ({ lab }) => {
        const targets = await serve(lab);
        await countAtGateways(lab);
        for (const family of [4, 6] as const) {
          for (const [i, wan] of lab.wans.entries()) {
            // Routed by mark and device, as in the daemon, and then by mark and source alone.
            const source = family === 6 ? wan.address6 : wan.address;
            for (const more of [{}, { device: undefined, source }]) {
              const all = await checkAll(lab, Object.values(kinds(family)), pathOf(wan, family, more));
              const results = all.flatMap((one) => one.results);
              assert.deepEqual(
                results.map(({ ok, why }) => (ok ? 'ok' : why)),
                ['ok', 'ok', 'ok', 'ok'],
              );
              assert.ok(results.every(({ rttMs }) => rttMs! > 0));
              const expected = [0, 0];
              // Each of the four kinds sends one first packet; a SYN may be repeated on a busy machine.
              const counts = await seen(lab, family);
              expected[i] = Math.max(4, counts[i]!);
              assert.deepEqual(counts, expected, `${family} ${wan.name}`);
            }
          }
          assert.equal(await packets(lab.router, 'mangle', 'WANMARK_NEW', /NFQUEUE/, family), 0);
        }
        await targets.kill();
      });
    });
  });
}

describe('checks', needs(nfqueue, addon), () => {
  it('see portals, wrong answers, dead targets, a silent gateway and a device that is gone', async () => {
    await withLab({ wans: 2, up: [] }, async ({ lab }) => {
      const targets = await serve(lab);
      const [one, two] = lab.wans as [LabWan, LabWan];
      const by = (wan: LabWan, text: string, family: 4 | 6 = 4, rounds = 1) =>
        check(lab, text, pathOf(wan, family), rounds);
      /** Why each check failed, or `ok`. */
      const whys = async (wan: LabWan, texts: readonly string[], family: 4 | 6 = 4) =>
        (await checkAll(lab, texts, pathOf(wan, family))).map(({ results: [first] }) =>
          first!.ok ? 'ok' : first!.why,
        );
      const http = `http://${SERVER[4]}`;
      const cases = {
        [`http,to=${http}:81/`]: 'status 200 instead of 204, a captive portal?',
        [`http,to=${http}:82/`]:
          'status 302 to http://portal.example/login instead of 204, a captive portal?',
        [`http,to=${http}:81/,status=200`]: 'ok',
        [`http,to=https://${SERVER[4]}:83/`]: 'refused',
        [`tcp,to=${SERVER[4]}:9`]: 'refused',
        [`dns,to=${SERVER[4]}:9`]: 'refused',
        [`dns,to=${SERVER[4]},name=bad.example`]: 'REFUSED',
        [`dns,to=${SERVER[4]},name=good.example`]: 'ok',
      };
      const long = Object.keys(cases).map((text) => `${text},timeout=10`);
      assert.deepEqual(await whys(one, long), Object.values(cases));
      assert.deepEqual(await whys(one, [`tcp,to=[${SERVER[6]}]:9,timeout=10`], 6), ['refused']);

      const quorum = await by(one, `ping,to=${SERVER[4]}+${DEAD[4]},timeout=1`);
      assert.deepEqual(
        quorum.results.map(({ ok }) => ok),
        [true, false],
      );
      // Two hundred rounds, each with several targets, good, refused and dead, leave no descriptor behind.
      for (const text of [
        `ping,to=${SERVER[4]}`,
        `tcp,to=${SERVER[4]}:80+${SERVER[4]}:9`,
        `dns,to=${SERVER[4]}`,
        `http,to=${http}:80/+${http}:82/`,
      ]) {
        const { descriptors } = await by(one, `${text},timeout=10`, 4, 200);
        assert.ok(descriptors[1] <= descriptors[0] + 1, `${text}: ${descriptors}`);
      }
      const dead = await by(one, `ping,to=${DEAD[4]},timeout=0.05`, 4, 50);
      assert.ok(dead.descriptors[1] <= dead.descriptors[0] + 1, `${dead.descriptors}`);
      assert.equal(dead.good, 0);

      await lab
        .host(one.gateway)
        .sh('iptables -t raw -A PREROUTING -j DROP; ip6tables -t raw -A PREROUTING -j DROP');
      for (const family of [4, 6] as const) {
        const texts = Object.values(kinds(family)).map((text) => text.replace('timeout=10', 'timeout=0.5'));
        assert.deepEqual(await whys(one, texts, family), Array(4).fill('timeout'));
      }
      assert.equal((await by(two, kinds(4).ping!)).results[0]!.ok, true, 'the other WAN');

      await lab.router.exec(['ip', 'link', 'del', one.dev]);
      for (const family of [4, 6] as const) {
        const texts = Object.values(kinds(family));
        assert.deepEqual(await whys(one, texts, family), Array(4).fill('no such device'));
      }
      assert.equal((await by(two, kinds(6).http!, 6)).results[0]!.ok, true, 'the other WAN');
      await targets.kill();
    });
  });

  it('resolve a name by their WAN, or as the router does where nobody answers there', async () => {
    await withLab({ wans: 2, up: [] }, async ({ lab }) => {
      const targets = await serve(lab);
      await countAtGateways(lab);
      const [, two] = lab.wans as [LabWan, LabWan];
      for (const family of [4, 6] as const) {
        const texts = [
          'ping,to=here.example,timeout=10',
          'tcp,to=here.example:80,timeout=10',
          'dns,to=here.example,timeout=10',
          'http,to=http://here.example/,timeout=10',
          'http,to=http://here.example:82/,timeout=10,status=any',
          'ping,to=unknown.example,timeout=10',
        ];
        const all = await checkAll(lab, texts, pathOf(two, family), { nameserver: SERVER[family] });
        assert.deepEqual(
          all.map(({ results: [first] }) => (first!.ok ? 'ok' : first!.why)),
          ['ok', 'ok', 'ok', 'ok', 'ok', `unknown.example has no IPv${family} address`],
        );
        const [byOne, byTwo] = await seen(lab, family);
        assert.equal(byOne, 0);
        assert.ok(byTwo! >= 11, `${byTwo} packets: a question for each check, and its probe`);
      }
      // By the WAN nobody can be asked here, but the router can ask itself.
      const here = lab.router.spawn([process.execPath, TARGETS, '127.0.0.1']);
      await here.waitForLine(/^ready/);
      const texts = ['ping,to=unknown.example,timeout=10'];
      const [own] = await checkAll(lab, texts, pathOf(two, 4), { nameserver: '127.0.0.1' });
      assert.equal(own!.results[0]!.why, 'unknown.example has no IPv4 address');
      await here.kill();
      await targets.kill();
    });
  });

  it('ping works where ping sockets are allowed, and where only raw ones are', async () => {
    await withLab({ wans: 2, up: [] }, async ({ lab }) => {
      await countAtGateways(lab);
      for (const range of ['1 0', '0 0']) {
        await lab.router.sh(`echo '${range}' >/proc/sys/net/ipv4/ping_group_range`);
        for (const family of [4, 6] as const) {
          for (const [i, wan] of lab.wans.entries()) {
            const { good } = await check(lab, kinds(family).ping!, pathOf(wan, family), 5);
            assert.equal(good, 5, `${range} ${family} ${wan.name}`);
            const expected = [0, 0];
            expected[i] = 5;
            assert.deepEqual(await seen(lab, family), expected);
          }
        }
      }
    });
  });

  it('run a script, which learns of the WAN, and kill it with its children at the limit', async () => {
    await withLab({ wans: 1, ipv6: false, up: [] }, async ({ lab }) => {
      const [wan] = lab.wans as [LabWan];
      await lab.router.sh(`
        cat >/run/good <<'X'
#!/bin/sh
test "$WANMARK_NAME $WANMARK_DEVICE $WANMARK_FAMILY $WANMARK_GATEWAY $WANMARK_MARK" = "${wan.name} ${wan.dev} 4 ${wan.via} ${hex(WAN_FIELD.encode(wan.number))}" || { echo "wrong variables: $(env | grep WANMARK)"; exit 3; }
X
        printf '#!/bin/sh\\necho it is bad\\nexit 7\\n' >/run/bad
        printf '#!/bin/sh\\nsleep 4321 & sleep 4322\\n' >/run/hangs
        printf '#!/bin/sh\\nsleep 4323 & exit 0\\n' >/run/leaves
        chmod +x /run/good /run/bad /run/hangs /run/leaves`);
      const run = async (name: string, timeout: number) =>
        (await check(lab, `script,to=/run/${name},timeout=${timeout}`, pathOf(wan, 4))).results[0]!;
      assert.equal((await run('good', 20)).ok, true);
      assert.equal((await run('bad', 20)).why, 'exit code 7: it is bad');
      assert.equal((await run('hangs', 0.5)).why, 'timeout');
      assert.equal((await run('leaves', 20)).ok, true);
      assert.equal((await run('missing', 20)).why, 'cannot run (ENOENT)');
      const { stdout } = await lab.router.sh('cat /proc/[0-9]*/cmdline | tr "\\0" " "');
      assert.doesNotMatch(stdout, /sleep 432\d/);
    });
  });
});
