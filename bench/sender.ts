import { createSocket } from 'node:dgram';
import { once } from 'node:events';

const FIRST_PORT = 1024;
const PORTS = 60_000;

/**
 * `node sender.js ADDRESS COUNT RATE TICK`: sends COUNT empty UDP datagrams from one socket, RATE a second in bursts
 * every TICK ms, each to another port, so that each is a new connection.
 */
async function send(address: string, count: number, rate: number, tickMs: number): Promise<void> {
  if (!(count <= PORTS)) throw new RangeError(`${count} connections do not fit the ports of one socket`);
  const socket = createSocket('udp4');
  socket.bind();
  await once(socket, 'listening');
  const empty = new Uint8Array(0);
  const start = performance.now();
  let sent = 0;
  while (sent < count) {
    const due = Math.min(count, Math.ceil(((performance.now() - start) * rate) / 1000));
    const sends: Promise<void>[] = [];
    for (; sent < due; sent++) {
      const port = FIRST_PORT + sent;
      sends.push(
        new Promise((resolve, reject) => {
          socket.send(empty, port, address, (error) => (error ? reject(error) : resolve()));
        }),
      );
    }
    await Promise.all(sends);
    await new Promise((resolve) => setTimeout(resolve, tickMs));
  }
  socket.close();
}

const [address, count, rate, tick] = process.argv.slice(2) as [string, string, string, string];
await send(address, Number(count), Number(rate), Number(tick));
