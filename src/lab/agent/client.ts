import { Connection, type Target } from './connection.js';
import type { ConnectRequest, Flow, Proto, Request } from './protocol.js';

type Pick<Op extends Request['op']> = Extract<Request, { op: Op }>;

/** Source ports below the kernel's own choice (net.ipv4.ip_local_port_range), so that the two never collide. */
const FIRST_PORT = 1024;
const LAST_PORT = 32767;

/** The client side of a host: opens connections, several at once, each from a port not used before. */
export class Client {
  readonly #held = new Map<number, Connection>();
  readonly #ports = new Map<Proto, number>();
  #lastId = 0;
  #lastNonce = 0;

  async connect(request: ConnectRequest, progress: (done: number) => void): Promise<Flow[]> {
    return inParallel(request.count, request.concurrency, progress, (i) =>
      this.#one(request, pickFrom(request.from, i), async (connection) => {
        await connection.ask(request.tag, this.#nonce(), request.timeoutMs);
        if (request.hold) this.#held.set(connection.id, connection);
      }),
    );
  }

  async exchange(request: Pick<'exchange'>): Promise<Flow[]> {
    return Promise.all(
      request.ids.map(async (id) => {
        const connection = this.#held.get(id);
        if (!connection) throw new Error(`connection ${id} is not held`);
        try {
          await connection.ask(request.tag, this.#nonce(), request.timeoutMs);
          return connection.flow();
        } catch (error) {
          return connection.flow(error as Error);
        }
      }),
    );
  }

  async release(ids: readonly number[]): Promise<void> {
    const connections = ids.map((id) => this.#held.get(id));
    for (const id of ids) this.#held.delete(id);
    await Promise.all(connections.map((connection) => connection?.close()));
  }

  dial(request: Pick<'dial'>): Flow {
    const connection = this.#make({ proto: 'tcp', ...request });
    this.#held.set(connection.id, connection);
    connection.open(request.from[0], this.#port({ proto: 'tcp', ...request })).catch(() => {}); // nobody waits for this connection
    return connection.flow();
  }

  async stream(request: Pick<'stream'>): Promise<Flow> {
    return this.#one({ proto: 'udp', ...request }, request.from[0], async (connection) => {
      for (let i = 0; i < request.count; i++) await connection.tell(request.tag, this.#nonce());
    });
  }

  async pairs(request: Pick<'pairs'>, progress: (done: number) => void): Promise<Flow[]> {
    return inParallel(request.count, request.concurrency, progress, (i) =>
      this.#one({ proto: 'udp', ...request }, pickFrom(request.from, i), async (connection) => {
        const ask = () => connection.ask(request.tag, this.#nonce(), request.timeoutMs);
        await Promise.all([ask(), ask()]);
      }),
    );
  }

  /** Opens one connection, uses it, and closes it unless `use` has made it a held one. */
  async #one(
    target: Target & { timeoutMs?: number },
    from: string | undefined,
    use: (connection: Connection) => Promise<void>,
  ): Promise<Flow> {
    const connection = this.#make(target);
    let error: Error | undefined;
    try {
      await before(connection.open(from, this.#port(target)), target.timeoutMs ?? 10_000);
      await use(connection);
    } catch (reason) {
      error = reason as Error;
    }
    const flow = connection.flow(error);
    if (!this.#held.has(connection.id)) await connection.close();
    return flow;
  }

  #make(target: Target): Connection {
    return new Connection(++this.#lastId, target);
  }

  #nonce(): string {
    return `n${++this.#lastNonce}`;
  }

  // Both families share one sequence: an IPv6 socket without an address takes the port from IPv4, too.
  #port({ proto }: Target): number {
    const last = this.#ports.get(proto) ?? FIRST_PORT - 1;
    const next = last >= LAST_PORT ? FIRST_PORT : last + 1;
    this.#ports.set(proto, next);
    return next;
  }
}

function pickFrom(from: readonly string[], i: number): string | undefined {
  return from.length === 0 ? undefined : from[i % from.length];
}

function before(work: Promise<void>, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no connection in ${timeoutMs / 1000} s`)), timeoutMs);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

async function inParallel<T>(
  count: number,
  concurrency: number,
  progress: (done: number) => void,
  work: (i: number) => Promise<T>,
): Promise<T[]> {
  const results: T[] = new Array(count);
  let next = 0;
  let done = 0;
  const worker = async () => {
    while (next < count) {
      const i = next++;
      results[i] = await work(i);
      progress(++done);
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, worker));
  return results;
}
