/**
 * Both ends of the connections of the script tests, as a program that runs in a namespace.
 *
 * - `serve PORT[,PORT...] ADDRESS...`: TCP on all addresses, UDP on the given ones (an answer from a wildcard socket takes the
 *   address of the route back, not the one that was asked); answers with the address a line or datagram came from.
 * - `hold ADDRESS PORT`: one TCP connection; passes lines on and writes the answers.
 * - `call`: a `Call` in each line, any number of them at once; each line of an answer has the call's number before it,
 *   and the number alone is its end. One program for all, because the start of one takes longer than most calls.
 *   - `tcp COUNT ADDRESS PORT [LOCAL]`, `udp ...`: as many connections, one after the other, from LOCAL;
 *     the server's answer to each. Gives up after three failures in a row.
 *   - `stream COUNT ADDRESS PORT`: as many datagrams of one socket, each sent when the one before was answered.
 *   - `burst COUNT ADDRESS PORT`: as many datagrams at once, each of a socket of its own; the answers when all are there.
 * - `as UID PORT tcp COUNT ...`: one of these calls as another user, from PORT on.
 *
 * Sockets are bound to the call's `firstPort` and those after it: a random port that an earlier socket had is, for the
 * kernel, the same connection (one in a hundred runs of a few dozen sockets), and that one has its WAN already.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

export interface Call {
  id: number;
  args: string[];
  firstPort: number;
  /** How long an answer may take. */
  patienceMs: number;
}

/** A call at work. */
interface Task {
  nextPort: number;
  patienceMs: number;
  say(text: string): void;
}

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
}

async function tcp(task: Task, count: number, host: string, port: number, local?: string): Promise<void> {
  for (let i = 0, failures = 0; i < count && failures < 3; i++) {
    const socket = connect({
      host,
      port,
      localPort: task.nextPort++,
      ...(local ? { localAddress: local } : {}),
    });
    socket.setTimeout(task.patienceMs, () => socket.destroy(new Error('timed out')));
    try {
      await once(socket, 'connect');
      socket.write('?\n');
      task.say(String((await once(createInterface(socket), 'line'))[0]));
      failures = 0;
    } catch (error) {
      failures++;
      task.say(`failed: ${(error as Error).message}`);
    }
    socket.destroy();
  }
}

async function bound(task: Task, host: string, local?: string): Promise<Socket> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  socket.bind(task.nextPort++, local);
  await once(socket, 'listening');
  return socket;
}

/** Sends a datagram and returns its answer. */
async function ask(socket: Socket, host: string, port: number, patienceMs: number): Promise<string> {
  socket.send('?', port, host);
  const timer = setTimeout(() => socket.emit('message', 'failed: timed out'), patienceMs);
  const answer = String((await once(socket, 'message'))[0]);
  clearTimeout(timer);
  return answer;
}

async function udp(task: Task, count: number, host: string, port: number, local?: string): Promise<void> {
  for (let i = 0, failures = 0; i < count && failures < 3; i++) {
    const socket = await bound(task, host, local);
    const answer = await ask(socket, host, port, task.patienceMs);
    failures = answer.startsWith('failed') ? failures + 1 : 0;
    task.say(answer);
    socket.close();
  }
}

async function stream(task: Task, count: number, host: string, port: number): Promise<void> {
  const socket = await bound(task, host);
  for (let i = 0; i < count; i++) {
    const answer = await ask(socket, host, port, task.patienceMs);
    task.say(answer);
    if (answer.startsWith('failed')) break;
  }
  socket.close();
}

async function burst(task: Task, count: number, host: string, port: number): Promise<void> {
  const answers = Array.from({ length: count }, async () => {
    const socket = await bound(task, host);
    const answer = await ask(socket, host, port, 60_000);
    socket.close();
    return answer;
  });
  for (const answer of await Promise.all(answers)) task.say(answer);
}

const CALLS: Record<string, typeof tcp> = { tcp, udp, stream, burst };

async function answer(line: string): Promise<void> {
  const { id, args, firstPort, patienceMs } = JSON.parse(line) as Call;
  const [verb, count, host, port, local] = args;
  const task = { nextPort: firstPort, patienceMs, say: (text: string) => say(`${id} ${text}`) };
  await CALLS[verb!]!(task, Number(count), host!, Number(port), local);
  say(String(id));
}

async function hold(host: string, port: number): Promise<void> {
  const socket = connect({ host, port });
  socket.setTimeout(30_000, () => socket.destroy(new Error('timed out')));
  await once(socket, 'connect');
  socket.setTimeout(0);
  createInterface(socket).on('line', say);
  socket.on('error', (error) => say(`failed: ${error.message}`));
  process.stdin.pipe(socket);
  say('connected');
}

const [verb, ...args] = process.argv.slice(2);
if (verb === 'serve') {
  for (const port of args[0]!.split(',')) await serve(Number(port), args.slice(1));
  say('ready');
  // Ends when the process that started it does.
  process.stdin.resume().on('end', () => process.exit());
} else if (verb === 'hold') await hold(args[0]!, Number(args[1]));
else if (verb === 'as') {
  const [uid, port, call, count, host, to] = args;
  process.setuid!(Number(uid));
  const task = { nextPort: Number(port), patienceMs: 30_000, say };
  await CALLS[call!]!(task, Number(count), host!, Number(to));
} else for await (const line of createInterface(process.stdin)) void answer(line);
