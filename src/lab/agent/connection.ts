import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { connect, type Socket as TcpSocket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Family } from '../../core/family.js';
import { type Flow, messages, type Proto } from './protocol.js';

/** The address that a connection is made to. */
export interface Target {
  readonly proto: Proto;
  readonly family: Family;
  readonly to: string;
  readonly port: number;
}

interface Waiting {
  readonly resolve: (seen: { address: string; port: number }) => void;
  readonly reject: (error: Error) => void;
}

/** One connection of the client side. It asks the server, which answers with the address and port it sees. */
export class Connection {
  readonly seenAs: { address: string; port: number }[] = [];
  readonly #target: Target;
  readonly #waiting = new Map<string, Waiting>();
  #tcp: TcpSocket | undefined;
  #udp: UdpSocket | undefined;
  #local = { address: '', port: 0 };
  #failure: Error | undefined;

  constructor(
    readonly id: number,
    target: Target,
  ) {
    this.#target = target;
  }

  /** Binds the source port, and the source address if one is given, and connects. */
  open(from: string | undefined, localPort: number): Promise<void> {
    return this.#target.proto === 'tcp' ? this.#openTcp(from, localPort) : this.#openUdp(from, localPort);
  }

  #openTcp(from: string | undefined, localPort: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const { family, to, port } = this.#target;
      const local = from === undefined ? { localPort } : { localPort, localAddress: from };
      const socket = connect({ host: to, port, family, ...local });
      this.#tcp = socket.setNoDelay();
      this.#local = { address: from ?? '', port: localPort };
      socket.on('error', (error) => {
        this.#fail(error);
        reject(error);
      });
      socket.on('close', () => {
        this.#fail(new Error('closed by the server'));
        reject(new Error('closed'));
      });
      socket.on('connect', () => {
        this.#local = { address: socket.localAddress ?? '', port: socket.localPort ?? 0 };
        resolve();
      });
      createInterface({ input: socket })
        .on('line', (line) => this.#answered(line))
        .on('error', () => {}); // passed on from the socket, whose handler is above
    });
  }

  #openUdp(from: string | undefined, localPort: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const { family, to, port } = this.#target;
      const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
      this.#udp = socket;
      socket.on('error', (error) => {
        this.#fail(error);
        reject(error);
      });
      socket.on('message', (data) => this.#answered(data.toString()));
      socket.bind({ port: localPort, ...(from === undefined ? {} : { address: from }) }, () => {
        // A connected socket reports ICMP errors and knows the address that the kernel chose.
        socket.connect(port, to, (error?: Error) => {
          if (error) return reject(error);
          this.#local = socket.address();
          resolve();
        });
      });
    });
  }

  /** Asks the server and waits for its answer. */
  ask(tag: string, nonce: string, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure);
      const timer = setTimeout(() => {
        this.#waiting.delete(nonce);
        reject(new Error(`no answer in ${timeoutMs / 1000} s`));
      }, timeoutMs);
      this.#waiting.set(nonce, {
        resolve: (seen) => {
          clearTimeout(timer);
          this.seenAs.push(seen);
          resolve();
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      this.#send(messages.ask(tag, nonce));
    });
  }

  /** Sends a message that asks for no answer; resolves when the kernel has it. */
  tell(tag: string, nonce: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#send(messages.ask(tag, nonce, true), (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Closes the connection; resolves when it is closed on both sides. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      const tcp = this.#tcp;
      if (this.#udp) {
        const udp = this.#udp;
        this.#udp = undefined;
        udp.close(() => resolve());
      } else if (!tcp || tcp.closed) {
        resolve();
      } else {
        tcp.once('close', () => resolve());
        // A connection that was never made has no peer to close it.
        if (tcp.connecting || this.#failure) tcp.destroy();
        else tcp.end();
      }
    });
  }

  flow(error?: Error): Flow {
    const { proto, family, to, port } = this.#target;
    const reason = (error as NodeJS.ErrnoException | undefined)?.code ?? error?.message;
    return {
      id: this.id,
      proto,
      family,
      src: this.#local.address,
      sport: this.#local.port,
      dst: to,
      dport: port,
      seenAs: [...this.seenAs],
      ...(reason === undefined ? {} : { error: reason }),
    };
  }

  #send(message: string, done?: (error?: Error | null) => void): void {
    if (this.#udp) this.#udp.send(message, (error) => done?.(error));
    else this.#tcp?.write(`${message}\n`, (error) => done?.(error));
  }

  #answered(line: string): void {
    const [nonce = '', address = '', port = ''] = line.split(' ');
    const waiting = this.#waiting.get(nonce);
    this.#waiting.delete(nonce);
    // A line with an unknown nonce is ignored; the missing answer is then reported as a timeout.
    waiting?.resolve({ address, port: Number(port) });
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#failure);
    this.#waiting.clear();
  }
}
