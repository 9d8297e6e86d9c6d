import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Lab } from '#wanmark/lab/lab.js';
import { SERVER } from '#wanmark/lab/network.js';
import { withLab } from '../helpers/lab.js';
import { WAN_FIELD } from '../helpers/marks.js';
import { addon, needs, nfqueue, program } from '../helpers/requires.js';
import { eventually, ipRules } from '../helpers/router-state.js';
import { statusOf } from '../helpers/status.js';
import { tally } from '../helpers/traffic.js';

/** Tables that refuse, as of a VPN whose far end does not answer: what leaves by a WAN has leaked. */
const REFUSING = [100, 200, 51820]
  .map((table) => `ip route add unreachable default table ${table}`)
  .join('\n');
/** A mark outside every mask of ours. */
const MARK = 0x400000;
const TIMEOUT_MS = 120_000;

/** How many of six connections failed. */
async function lost(lab: Lab, options: { proto?: 'tcp' | 'udp'; router?: true } = {}): Promise<number> {
  const from = options.router ? lab.router : lab.client;
  const flows = await lab.connect({ count: 6, timeoutMs: 2000, proto: options.proto ?? 'tcp', from });
  return flows.filter(({ error }) => error !== undefined).length;
}

/** Whether the router has a copy of a rule. */
function isCopied(lab: Lab, rule: string): Promise<boolean> {
  return ipRules(lab.router).then((rules) => rules.includes(`${rule} proto 119`));
}

describe('the ip rules of others', needs(nfqueue, addon), () => {
  it('lead where they led without us, whether they come before up or after it', async () => {
    const prepare = async (lab: Lab) => {
      await lab.router.sh(`${REFUSING}
ip rule add from ${lab.client.addresses[4][0]} lookup 200
ip rule add fwmark ${MARK} lookup 100
ip rule add from 10.99.0.0/16 to 10.98.0.1 tos 0x10 iif nodev oif wan1 uidrange 5-10 ipproto tcp sport 5-10 dport 53 lookup 77
ip rule add from 10.97.0.0/16 fwmark 0x5/0xf0f prohibit
ip -6 rule add not from 2001:db8:77::/48 to 2001:db8:78::1 iif nodev lookup 77
iptables -t mangle -A PREROUTING -p udp -j MARK --or-mark ${MARK}`);
    };
    await withLab({ wans: 2, prepare, up: [], run: [] }, async ({ lab, wanmark }) => {
      assert.equal(await lost(lab), 6, 'by its address');
      // The words of the copies are those of `ip rule`, so nothing is missing, and nothing is changed.
      const before = await ipRules(lab.router);
      assert.equal((await wanmark.command(['check'])).stdout, '');
      await wanmark.command(['refresh']);
      assert.deepEqual(await ipRules(lab.router), before);

      const address = `from ${lab.client.addresses[4][0]} lookup 200`;
      await lab.router.sh(`ip rule del ${address}`);
      await eventually(
        () => isCopied(lab, address),
        (there) => !there,
        'the end of its copy',
        TIMEOUT_MS,
      );
      assert.deepEqual(tally(await lab.connect({ count: 6 })), { wan1: 3, wan2: 3 });
      assert.equal(await lost(lab, { proto: 'udp' }), 6, 'by a whole mark, whatever WAN was chosen');

      // It stands before ours, but does not know the packets that have a WAN's mark as well.
      await lab.router.sh(`ip rule del fwmark ${MARK} lookup 100; ip rule add fwmark ${MARK} lookup 100`);
      const copies = async () => (await ipRules(lab.router)).filter((rule) => /lookup 100( |$)/.test(rule));
      await eventually(copies, ({ length }) => length === 2, 'a copy of the rule before ours', TIMEOUT_MS);
      assert.equal(await lost(lab, { proto: 'udp' }), 6, 'by a whole mark, with a rule that came after up');
    });
  });

  it(
    'have what they mark for a WAN of theirs, which takes no turn',
    needs(program('conntrack')),
    async () => {
      const PBR = '0x30000/0xff0000';
      const prepare = async (lab: Lab) => {
        const { via, dev } = lab.wans[2]!;
        await lab.router.sh(`ip route add default via ${via} dev ${dev} table 300
ip rule add priority 29998 fwmark ${PBR} lookup 300
iptables -t mangle -N PBR; iptables -t mangle -N PBR_3
iptables -t mangle -A PREROUTING -m mark --mark 0/0xff0000 -j PBR
iptables -t mangle -A PBR -p tcp -s ${lab.client.addresses[4][0]} -g PBR_3
iptables -t mangle -A PBR_3 -j MARK --set-xmark ${PBR}
iptables -t mangle -A PBR_3 -j RETURN
iptables -t raw -A PREROUTING -p udp -s ${lab.client.addresses[4][0]} -j MARK --set-xmark ${PBR}`);
      };
      const options = { wans: 3, clients: 2, ipv6: false, prepare, up: [] };
      const [led, others] = [{ wan3: 6 }, { wan1: 2, wan2: 2, wan3: 2 }];
      await withLab({ ...options, run: [] }, async ({ lab, wanmark, daemon }) => {
        const [, second] = lab.clients;
        const held = await lab.connect({ count: 6, hold: true });
        assert.deepEqual(tally(held), led, 'marked behind our rules');
        assert.deepEqual(tally(await lab.connect({ count: 6, proto: 'udp' })), led, 'marked before them');
        assert.deepEqual(tally(await lab.connect({ count: 6, from: second! })), others);
        assert.deepEqual(tally(await lab.exchange(lab.client, held)), led);
        const counts = (await statusOf(wanmark)).wans.map(({ picks }) => picks);
        assert.deepEqual(counts, [2, 2, 2]);
        assert.deepEqual(
          (await lab.router.sh(`conntrack -L -p tcp -s ${lab.client.addresses[4][0]} 2>/dev/null`)).stdout
            .match(/mark=\d+/g)
            ?.map((mark) => WAN_FIELD.decode(Number(mark.slice(5)))),
          [3, 3, 3, 3, 3, 3],
        );
        await daemon.stop();
        assert.deepEqual(tally(await lab.connect({ count: 6 })), led, 'without the daemon');

        await wanmark.up('--engine', 'kernel', '--kernel-mode', 'nth');
        assert.deepEqual(tally(await lab.connect({ count: 6 })), led, 'where the kernel chooses');
        await wanmark.up('--engine', 'kernel', '--kernel-mode', 'nth', '--respect-marks', 'off');
        assert.deepEqual(tally(await lab.connect({ count: 6 })), others, 'not respected');
      });
    },
  );

  it('keep a full tunnel full, and the tunnel’s own packets out of it', needs(program('ping')), async () => {
    const tunnel =
      'ip rule add not fwmark 51820 lookup 51820; ip rule add lookup main suppress_prefixlength 0';
    const prepare = async (lab: Lab) => {
      // Strict rp_filter asks with the mark of the answer, so wg-quick gives the mark to the connection, too.
      await lab.router.sh(`${REFUSING}; ${tunnel}
iptables -t mangle -A POSTROUTING -m mark --mark 51820 -j CONNMARK --save-mark
iptables -t mangle -A PREROUTING -p icmp -j CONNMARK --restore-mark`);
    };
    await withLab({ wans: 2, ipv6: false, prepare, up: [], run: [] }, async ({ lab, wanmark }) => {
      for (const when of ['before up', 'after up']) {
        assert.equal(await lost(lab), 6, `${when}: clients`);
        assert.equal(await lost(lab, { router: true }), 6, `${when}: the router`);
        // The mark that WireGuard gives to the packets that it sends.
        await lab.router.exec(['ping', '-m', '51820', '-c', '3', '-i', '0.2', '-W', '5', SERVER[4]]);
        await lab.router.sh(
          `ip rule del not fwmark 51820; ip rule del lookup main suppress_prefixlength 0; ${tunnel}`,
        );
        await wanmark.command(['refresh']);
      }
    });
  });

  it('are named where they leave us nothing, by up, check, the log and status', async () => {
    const prepare = (lab: Lab) => lab.router.sh('ip rule add pref 1000 lookup main').then(() => undefined);
    await withLab({ wans: 2, ipv6: false, prepare, up: [], run: [] }, async ({ lab, wanmark, daemon }) => {
      const named = /ip -4 rule 1000 'from all lookup main' of somebody else takes every connection/;
      assert.match((await wanmark.up()).stderr, named);
      assert.match((await wanmark.command(['check'])).stderr, named);
      await eventually(
        async () => daemon.program.lines.join('\n'),
        (log) => named.test(log),
        'a line in the log',
      );
      assert.match((await wanmark.command(['status'])).stdout, named);
      await lab.router.sh('ip rule del pref 1000');
      const status = async () => (await wanmark.command(['status'])).stdout;
      await eventually(status, (text) => !named.test(text), 'the end of the note', TIMEOUT_MS);
    });
  });
});
