/**
 * The server of the corpus machine: `server PORT ADDRESS...`. It tells who asks at which of its addresses he came in, and
 * from where, as `10.255.0.2 192.0.2.9`: TCP on all addresses, UDP on those given.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

const [port, ...addresses] = process.argv.slice(2);
const plain = (address = '') => address.replace(/^::ffff:/, '');

const tcp = createServer((socket) => {
  socket.on('error', () => socket.destroy());
  socket.on('data', () => socket.write(`${plain(socket.localAddress)} ${plain(socket.remoteAddress)}\n`));
});
tcp.listen(Number(port), '::');
await once(tcp, 'listening');
for (const address of addresses) {
  const udp = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  udp.on('message', (_data, from) => udp.send(`${address} ${from.address}`, from.port, from.address));
  udp.bind(Number(port), address);
  await once(udp, 'listening');
}
process.stdout.write('ready\n');
// Ends when the process that started it does.
process.stdin.resume().on('end', () => process.exit());
