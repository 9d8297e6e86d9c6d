/**
 * Both ends of the connections of the script tests, as a program that runs in a namespace.
 *
 * - `serve PORT ADDRESS...`: TCP on all addresses, UDP on the given ones (an answer from a wildcard socket takes the
 *   address of the route back, not the one that was asked); answers with the address a line or datagram came from.
 * - `tcp COUNT ADDRESS PORT [LOCAL]`, `udp ...`: as many connections, one after the other, from LOCAL;
 *   writes the server's answer to each.
 *   gives up after three failures in a row.
 * - `stream COUNT ADDRESS PORT`: as many datagrams of one socket, each sent when the one before was answered;
 *   writes the answers.
 * - `burst COUNT ADDRESS PORT`: as many datagrams at once, each of a socket of its own; writes the answers when all are there.
 * - `hold ADDRESS PORT`: one TCP connection; passes lines on and writes the answers.
 *
 * UDP sockets are bound to FIRST_PORT and those after it: a random port that an earlier socket had is, for the
 * kernel, the same connection (one in a hundred runs of a few dozen sockets), and that one has its WAN already.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

const say = (text: string) => process.stdout.write(`${text}\n`);
const plain = (address = '') => address.replace(/^::ffff:/, '');

async function serve(port: number, addresses: string[]): Promise<void> {
  const tcp = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    createInterface(socket).on('line', () => socket.write(`${plain(socket.remoteAddress)}\n`));
  });
  tcp.listen(port, '::');
  await once(tcp, 'listening');
  for (const address of addresses) {
    const udp = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    udp.on('message', (_data, from) => udp.send(from.address, from.port, from.address));
    udp.bind(port, address);
    await once(udp, 'listening');
  }
  say('ready');
}

function dial(host: string, port: number, localAddress?: string) {
  const socket = connect({ host, port, ...(localAddress ? { localAddress } : {}) });
  socket.setTimeout(5000, () => socket.destroy(new Error('timed out')));
  return socket;
}

async function tcp(count: number, host: string, port: number, local?: string): Promise<void> {
  for (let i = 0, failures = 0; i < count && failures < 3; i++) {
    const socket = dial(host, port, local);
    try {
      await once(socket, 'connect');
      socket.write('?\n');
      say(String((await once(createInterface(socket), 'line'))[0]));
      failures = 0;
    } catch (error) {
      failures++;
      say(`failed: ${(error as Error).message}`);
    }
    socket.destroy();
  }
}

let nextPort = Number(process.env['FIRST_PORT']);

async function bound(host: string, local?: string): Promise<Socket> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  socket.bind(nextPort++, local);
  await once(socket, 'listening');
  return socket;
}

async function udp(count: number, host: string, port: number, local?: string): Promise<void> {
  for (let i = 0, failures = 0; i < count && failures < 3; i++) {
    const socket = await bound(host, local);
    socket.send('?', port, host);
    const timer = setTimeout(() => socket.emit('message', 'failed: timed out'), 5000);
    const answer = String((await once(socket, 'message'))[0]);
    failures = answer.startsWith('failed') ? failures + 1 : 0;
    say(answer);
    clearTimeout(timer);
    socket.close();
  }
}

async function stream(count: number, host: string, port: number): Promise<void> {
  const socket = await bound(host);
  for (let i = 0; i < count; i++) {
    socket.send('?', port, host);
    const timer = setTimeout(() => socket.emit('message', 'failed: timed out'), 5000);
    const answer = String((await once(socket, 'message'))[0]);
    clearTimeout(timer);
    say(answer);
    if (answer.startsWith('failed')) break;
  }
  socket.close();
}

async function burst(count: number, host: string, port: number): Promise<void> {
  const answers = Array.from({ length: count }, async () => {
    const socket = await bound(host);
    socket.send('?', port, host);
    const timer = setTimeout(() => socket.emit('message', 'failed: timed out'), 60_000);
    const answer = String((await once(socket, 'message'))[0]);
    clearTimeout(timer);
    socket.close();
    return answer;
  });
  for (const answer of await Promise.all(answers)) say(answer);
}

async function hold(host: string, port: number): Promise<void> {
  const socket = dial(host, port);
  await once(socket, 'connect');
  socket.setTimeout(0);
  createInterface(socket).on('line', say);
  socket.on('error', (error) => say(`failed: ${error.message}`));
  process.stdin.pipe(socket);
  say('connected');
}

const [verb, ...args] = process.argv.slice(2);
if (verb === 'serve') {
  await serve(Number(args[0]), args.slice(1));
  // Ends with whoever started it.
  process.stdin.resume().on('end', () => process.exit());
} else if (verb === 'hold') await hold(args[0]!, Number(args[1]));
else if (verb === 'burst') await burst(Number(args[0]), args[1]!, Number(args[2]));
else if (verb === 'stream') await stream(Number(args[0]), args[1]!, Number(args[2]));
else await (verb === 'udp' ? udp : tcp)(Number(args[0]), args[1]!, Number(args[2]), args[3]);
