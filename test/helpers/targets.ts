// Servers for checks, run on a lab host: targets.js ADDRESS... - HTTP on port 80 (status 204), 81 (a portal's page) and
// 82 (a portal's redirect), DNS on 53, where "here" in a name stands for ADDRESS. Each request's source address is printed on a line; an HTTP answer has it in a
// header, too.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { parseAddress } from '#wanmark/core/address.js';

const PAGES: readonly [port: number, status: number, headers: Record<string, string>, body: string][] = [
  [80, 204, {}, ''],
  [81, 200, {}, '<html>log in</html>'],
  [82, 302, { location: 'http://portal.example/login' }, ''],
];
const say = (what: string, from: string | undefined) => process.stdout.write(`${what} ${from}\n`);

for (const address of process.argv.slice(2)) {
  for (const [port, status, headers, body] of PAGES) {
    const server = createServer((request, response) => {
      say(`http${port}`, request.socket.remoteAddress);
      response.writeHead(status, headers).end(body);
    });
    await once(server.listen(port, address), 'listening');
  }
  const bytes = parseAddress(address);
  const type = bytes.length === 4 ? 1 : 28;
  // The name of the question, type, class, time to live, length and address.
  const here = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, bytes.length, ...bytes]);
  const dns = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  dns.on('message', (query, from) => {
    say('dns', from.address);
    const answer = Buffer.from(query);
    answer[2] = answer[2]! | 0x80;
    // A name that contains "bad" is refused.
    const isHere = query.includes('here');
    answer[3] = query.includes('bad') ? 5 : isHere ? 0 : 3;
    answer[7] = isHere ? 1 : 0;
    dns.send(isHere ? Buffer.concat([answer, here]) : answer, from.port, from.address);
  });
  dns.bind(53, address);
  await once(dns, 'listening');
}
process.stdout.write('ready\n');
