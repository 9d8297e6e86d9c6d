import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { counter, LOCAL, rule, scenario } from './queue-harness.js';

const SOURCE = readFileSync(new URL('../../examples/embed.ts', import.meta.url), 'utf8');
const PROGRAM = fileURLToPath(new URL('../examples/embed.js', import.meta.url));

/** The rules of the example's comment, changed from a LAN's packets to those that the namespace itself sends. */
const RULES = [...SOURCE.matchAll(/^ \* {5}((?:iptables|ip) (?:.*\\\n)*.*)$/gm)].map(([, text]) =>
  text!.replace(/\\\n \* */g, '').replace('PREROUTING -i lan0', 'OUTPUT'),
);

/** Sends datagrams of one flow to the namespace itself. */
function send(port: number, count: number): Socket {
  const socket = createSocket('udp4');
  // Nobody listens at the other end, so the socket may get an error.
  socket.on('error', () => {});
  for (let i = 0; i < count; i++) socket.send('x', port, LOCAL[4]);
  return socket;
}

scenario(import.meta.url, 'examples/embed.ts marks QUIC and leaves the rest to the kernel', async () => {
  assert.equal(RULES.length, 4);
  execFileSync('sh', ['-ec', RULES.join('\n')]);
  const seen = (name: string, match: string) =>
    rule(4, `-t mangle -A POSTROUTING -p udp ${match} -m comment --comment ${name}`);
  seen('marked', '--dport 443 -m mark --mark 2/0xff -m connmark --mark 2/0xff');
  seen('unmarked', '--dport 5000 -m mark --mark 0/0xff');
  assert.match(execFileSync('ip', ['rule'], { encoding: 'utf8' }), /fwmark 0x2\/0xff lookup 102/);

  const program = spawn(process.execPath, [PROGRAM], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface(program.stdout)[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, 'listening');
  const sockets = [send(443, 3), send(5000, 1)];
  while (counter(4, 'marked') < 3 || counter(4, 'unmarked') < 1) await new Promise(setImmediate);
  for (const socket of sockets) socket.close();

  program.kill('SIGTERM');
  assert.match((await lines.next()).value!, /^[1-3] marked, 1 left to the kernel$/);
  assert.deepEqual(await once(program, 'close'), [0, null]);
});
