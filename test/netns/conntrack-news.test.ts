// The news of connections that begin with a mark.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { ConntrackNews, type NewsOptions } from '#wanmark/conntrack/news.js';
import { BatchFlow } from '#wanmark/core/flow.js';
import { conntrackTool, FAMILIES, installMarks, portOf, until } from './conntrack-harness.js';
import { type Family, LOCAL, rule, scenario } from './queue-harness.js';

const MASK = 0xff;

/** What was told, a text for each. */
class Heard {
  readonly lines: string[] = [];
  losses = 0;
  readonly news: ConntrackNews;

  constructor(options: Partial<NewsOptions> = {}) {
    this.news = new ConntrackNews(
      { mask: MASK, ...options },
      (batch, count) => {
        const flow = new BatchFlow(batch);
        for (let i = 0; i < count; i++) {
          const { family, protoName, src, sport, dst, dport, oldMark } = flow.at(i);
          this.lines.push(`${family} ${protoName} ${src} ${sport} ${dst} ${dport} 0x${oldMark.toString(16)}`);
        }
      },
      () => this.losses++,
      (error) => {
        throw error;
      },
    );
  }
}

/** Sends one datagram from each of these ports. */
async function datagrams(family: Family, from: readonly number[], port: number): Promise<void> {
  for (const sport of from) {
    const socket = createSocket(`udp${family}`);
    socket.on('error', () => {});
    socket.bind(sport, LOCAL[family]);
    await once(socket, 'listening');
    await new Promise((resolve) => socket.send('x', port, LOCAL[family], resolve));
    socket.close();
  }
}

scenario(
  import.meta.url,
  'each connection with a mark in the field is told once, in order, with its tuple and whole mark',
  async () => {
    installMarks();
    rule(4, '-t mangle -A OUTPUT -p icmp --icmp-type echo-request -j CONNMARK --set-mark 0x5');
    rule(6, '-t mangle -A OUTPUT -p icmpv6 --icmpv6-type echo-request -j CONNMARK --set-mark 0x6');
    const heard = new Heard();
    const server = createServer((socket) => socket.end()).listen(portOf(3), LOCAL[4]);
    await once(server, 'listening');

    const expected: string[] = [];
    for (const family of FAMILIES) {
      const own = LOCAL[family];
      await datagrams(family, [1001, 1002, 1003, 1004], portOf(1));
      for (const sport of [1001, 1002, 1003, 1004])
        expected.push(`${family} udp ${own} ${sport} ${own} ${portOf(1)} 0xab01`);
      // Neither one without a mark, nor a further packet of a connection.
      await datagrams(family, [1001, 1002], 5999);
      await datagrams(family, [1001, 1002], portOf(1));
      execFileSync('ping', [family === 4 ? '-4' : '-6', '-c', '1', '-e', '77', own], { stdio: 'ignore' });
      expected.push(
        `${family} ${family === 4 ? 'icmp' : 'icmpv6'} ${own} 77 ${own} ${(family === 4 ? 8 : 128) << 8} 0x${family === 4 ? 5 : 6}`,
      );
    }
    const socket = connect(portOf(3), LOCAL[4]);
    await once(socket, 'connect');
    expected.push(`4 tcp ${LOCAL[4]} ${socket.localPort} ${LOCAL[4]} ${portOf(3)} 0xab03`);
    socket.destroy();
    server.close();
    await until(() => heard.lines.length >= expected.length);
    assert.deepEqual(heard.lines, expected);
    assert.equal(heard.losses, 0);

    heard.news.close();
    await datagrams(4, [2001], portOf(1));
    heard.news.flush();
    assert.equal(heard.lines.length, expected.length);
  },
  conntrackTool,
);

scenario(
  import.meta.url,
  'what is excluded is not told of, from the moment on',
  async () => {
    installMarks();
    const heard = new Heard({ gatherMs: 0, exclusion: { to: ['::1'], self: [] } });
    await datagrams(6, [1], portOf(1));
    await datagrams(4, [2], portOf(2));
    await until(() => heard.lines.length > 0);
    heard.news.exclude({ to: ['127.0.0.0/8'], self: [] });
    await datagrams(4, [3], portOf(1));
    await datagrams(6, [4], portOf(2));
    await until(() => heard.lines.length > 1);
    assert.deepEqual(heard.lines, [
      `4 udp 127.0.0.1 2 127.0.0.1 ${portOf(2)} 0xab02`,
      `6 udp ::1 4 ::1 ${portOf(2)} 0xab02`,
    ]);
    for (const text of ['lan0', '10.0.0.0/33']) {
      assert.throws(() => heard.news.exclude({ to: [text], self: [] }), TypeError);
    }
    heard.news.close();
  },
  conntrackTool,
);

scenario(
  import.meta.url,
  'a loss is told, the buffer grows, and what comes afterwards is told',
  async () => {
    installMarks();
    const heard = new Heard({ receiveBuffer: 4096, gatherMs: 0 });
    // Connections that begin while nobody reads, more than the buffer holds.
    const script = `
import socket
for port in range(2000, 2400):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(('127.0.0.1', port))
    s.sendto(b'x', ('127.0.0.1', ${portOf(1)}))
    s.close()
`;
    const burst = (from: number) =>
      execFileSync('python3', [
        '-c',
        script.replaceAll('2000', `${from}`).replaceAll('2400', `${from + 400}`),
      ]);
    burst(2000);
    await until(() => heard.losses > 0 && heard.lines.length > 0);
    assert.ok(heard.lines.length < 400, `${heard.lines.length} were told`);
    const isBehind = (line: string) => line.endsWith('0xab02');
    for (let [from, port] = [3000, 20_000]; heard.lines.length < 400; from += 1000) {
      heard.lines.length = 0;
      burst(from);
      // Behind a loss nothing is told until the buffer was emptied.
      await until(async () => {
        await datagrams(4, [port++], portOf(2));
        return heard.lines.some(isBehind);
      });
    }
    heard.news.close();
  },
  conntrackTool,
);

scenario(import.meta.url, 'options out of range are refused', async () => {
  assert.throws(() => new Heard({ mask: 0 }), { code: 'USAGE' });
  assert.throws(() => new Heard({ gatherMs: 1001 }), RangeError);
  assert.throws(() => new Heard({ receiveBuffer: 0 }), RangeError);
  execFileSync('true');
});
