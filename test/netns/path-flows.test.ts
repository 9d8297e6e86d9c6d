import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FAMILIES } from '#wanmark/core/family.js';
import { plainAddress } from '#wanmark/lab/agent/protocol.js';
import { SERVER } from '#wanmark/lab/network.js';
import { masquerade, withLab } from '../helpers/lab.js';
import { WAN_FIELD } from '../helpers/marks.js';
import { addon, conntrackTable, needs, nfqueue } from '../helpers/requires.js';
import { conntrack, eventually, packets } from '../helpers/router-state.js';
import { dial, release, seen, tally, udpPairs, udpStream } from '../helpers/traffic.js';

/** A port that the server's firewall drops, so that a client's SYN is never answered. */
const SILENT_PORT = 81;

/** Sends from one socket a datagram that asks for no answer, and 199 more after a line on standard input. */
const STREAM = `exec 3<>"/dev/udp/$1/7"
echo silent stream n1 >&3
read -r _
for i in $(seq 2 200); do echo "silent stream n$i" >&3; done`;

describe('the WAN of a connection', needs(nfqueue, addon, conntrackTable), () => {
  it('is the main table’s default without wanmark (control)', async () => {
    await withLab({ wans: 3 }, async ({ lab }) => {
      await masquerade(lab);
      for (const family of FAMILIES) {
        assert.deepEqual(tally(await lab.connect({ count: 9, family })), { wan1: 9 });
        assert.deepEqual(tally(await lab.connect({ count: 9, family, proto: 'udp' })), { wan1: 9 });
      }
    });
  });

  for (const [strategy, weights, expected] of [
    ['round-robin', [1, 1, 1], { wan1: 30, wan2: 30, wan3: 30 }],
    ['weighted', [5, 3, 1], { wan1: 50, wan2: 30, wan3: 10 }],
  ] as const) {
    it(`is ${Object.values(expected).join('/')} times of 90 each, with ${strategy}, as the server counts`, async () => {
      await withLab({ weights, up: [], run: ['--strategy', strategy] }, async ({ lab }) => {
        for (const family of FAMILIES) {
          for (const proto of ['tcp', 'udp'] as const) {
            assert.deepEqual(tally(await lab.connect({ count: 90, family, proto })), expected);
            assert.deepEqual(
              tally(await lab.connect({ count: 90, family, proto, from: lab.router })),
              expected,
            );
          }
        }
      });
    });
  }

  for (const family of FAMILIES) {
    it(`is the same for the two datagrams of a resolver’s socket, 200 of 200 times (IPv${family})`, async () => {
      await withLab({ wans: 3, up: [], run: [] }, async ({ lab, daemon }) => {
        const pairs = await udpPairs(lab, { count: 200, family });
        assert.deepEqual(
          pairs.filter(({ error }) => error !== undefined),
          [],
        );
        assert.deepEqual(
          pairs.filter(({ wans }) => wans.length !== 2 || wans[0] !== wans[1]),
          [],
        );
        await daemon.stop();
        assert.equal(daemon.decisions.length, 200, 'each socket is one decision');
        const spread = new Set(pairs.map(({ wans }) => wans[0]));
        assert.equal(spread.size, 3, 'the sockets themselves are spread');
      });
    });

    it(`is kept by a one-way stream, which is queued once (IPv${family})`, async () => {
      await withLab({ wans: 3, up: [], run: [] }, async ({ lab }) => {
        const arrived = (messages: number) =>
          lab.server.agent.request({ op: 'arrived', tag: 'stream', messages });
        // The rest is sent after the first has arrived: in a burst more are queued before conntrack knows the flow.
        const stream = lab.client.spawn(['bash', '-c', STREAM, 'bash', SERVER[family]]);
        await arrived(1);
        stream.end('\n');
        await arrived(200);
        const streams = await seen(lab, 'stream');
        assert.deepEqual(
          streams.map(({ messages }) => messages),
          [200],
          'one source address and port',
        );
        assert.ok(lab.wanOf(streams[0]!.source));
        assert.equal(await packets(lab.router, 'mangle', 'WANMARK_NEW', /NFQUEUE/, family), 1);
      });
    });

    it(`is the same for a burst of 200 datagrams of a flow (IPv${family})`, async () => {
      await withLab({ wans: 3, up: [], run: [] }, async ({ lab, daemon }) => {
        const streams = await udpStream(lab, { count: 200, family });
        assert.deepEqual(
          streams.map(({ messages }) => messages),
          [200],
          'one source address and port',
        );
        await daemon.stop();
        assert.equal(daemon.decisions.length, 1);
      });
    });

    it(`is kept by a SYN’s retransmits (IPv${family})`, async () => {
      // A second chance would give the second SYN to another WAN.
      const run = ['--second-chance', 'off'];
      await withLab({ wans: 3, up: [], run }, async ({ lab, daemon }) => {
        const tool = family === 6 ? 'ip6tables' : 'iptables';
        await lab.server.sh(`${tool} -A INPUT -p tcp --dport ${SILENT_PORT} -j DROP`);
        const flow = await dial(lab, { port: SILENT_PORT, family });
        // The client's kernel sends its SYN again after 1 s and after 3 s.
        await eventually(
          () => packets(lab.server, 'filter', 'INPUT', /--dport 81/, family),
          (count) => count >= 3,
          'SYNs at the server',
        );
        const entries = (await conntrack(lab.router)).filter(({ dport }) => dport === SILENT_PORT);
        await release(lab.client, [flow]);
        assert.deepEqual(
          entries.map(({ mark, dst }) => [mark, dst]),
          [[WAN_FIELD.encode(1), SERVER[family]]],
        );
        assert.equal(await packets(lab.router, 'mangle', 'WANMARK_NEW', /NFQUEUE/, family), 1, 'queued once');
        await daemon.stop();
        assert.deepEqual(
          daemon.decisions.map(({ wan, src, dport }) => [wan, plainAddress(src), dport]),
          [['wan1', lab.client.addresses[family][0], SILENT_PORT]],
        );
      });
    });
  }
});
