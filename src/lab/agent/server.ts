import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { messages, type Proto, plainAddress, type Seen } from './protocol.js';

/** Room for several hundred datagrams that come at once on a busy machine; the default buffer holds 277. */
const RECEIVE_BUFFER = 1 << 20;

/** Answers TCP lines and UDP datagrams with the address they came from, and counts them. */
export class Server {
  readonly #seen = new Map<string, Seen>();
  readonly #arrived = new Map<string, number>();
  readonly #waiting: { tag: string; messages: number; resolve: () => void }[] = [];

  /**
   * Listens on each address with a socket of its own: a UDP socket bound to "any" answers from the address that the
   * route back prefers, not from the address it was asked at.
   */
  async listen(addresses: readonly string[], port: number): Promise<void> {
    await Promise.all(addresses.flatMap((address) => [this.#tcp(address, port), this.#udp(address, port)]));
  }

  seen(tag?: string): Seen[] {
    return [...this.#seen.values()].filter((entry) => tag === undefined || entry.tag === tag);
  }

  /** Resolves when `count` messages with the tag have come. */
  arrived(tag: string, count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ tag, messages: count, resolve });
      this.#wake();
    });
  }

  async #tcp(address: string, port: number): Promise<void> {
    const server = createServer((socket) => {
      const source = plainAddress(socket.remoteAddress ?? '');
      const sport = socket.remotePort ?? 0;
      // An error is the client's to report, which sees it too; the line reader passes the socket's errors on.
      socket.on('error', () => {});
      createInterface({ input: socket })
        .on('line', (line) => {
          const answer = this.#note('tcp', source, sport, line);
          if (answer !== undefined) socket.write(`${answer}\n`);
        })
        .on('error', () => {});
    });
    server.listen({ host: address, port, backlog: 1024 });
    await once(server, 'listening');
  }

  async #udp(address: string, port: number): Promise<void> {
    const type = address.includes(':') ? 'udp6' : 'udp4';
    const socket = createSocket({ type, recvBufferSize: RECEIVE_BUFFER });
    socket.on('message', (data, from) => {
      const source = plainAddress(from.address);
      const answer = this.#note('udp', source, from.port, data.toString());
      if (answer !== undefined) socket.send(answer, from.port, from.address);
    });
    socket.bind({ address, port });
    await once(socket, 'listening');
  }

  #note(proto: Proto, source: string, sport: number, message: string): string | undefined {
    const [mode, tag = '', nonce = ''] = message.split(' ');
    if (mode === 'count') return messages.answer(nonce, source, sport);
    const key = `${tag} ${proto} ${source} ${sport}`;
    const entry = this.#seen.get(key) ?? { tag, proto, source, sport, messages: 0 };
    entry.messages++;
    this.#seen.set(key, entry);
    this.#arrived.set(tag, (this.#arrived.get(tag) ?? 0) + 1);
    this.#wake();
    return mode === 'echo' ? messages.answer(nonce, source, sport) : undefined;
  }

  #wake(): void {
    for (const [i, wait] of [...this.#waiting.entries()].reverse()) {
      if ((this.#arrived.get(wait.tag) ?? 0) < wait.messages) continue;
      this.#waiting.splice(i, 1);
      wait.resolve();
    }
  }
}
