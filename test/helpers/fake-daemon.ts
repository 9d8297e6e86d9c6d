import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventStreams } from '#wanmark/control/event-streams.js';
import type { StatusV1 } from '#wanmark/control/status.js';
import type { Event } from '#wanmark/core/event.js';

/** Answers like the daemon's socket, with what a test wants it to say. */
export class FakeDaemon {
  readonly socket: string;
  /** What it was asked, as `GET /status`. */
  readonly asked: string[] = [];
  /** The bodies that it was sent. */
  readonly sent: string[] = [];
  status: StatusV1;
  /** What happened before somebody asks. */
  events: readonly Event[] = [];
  /** Answers to other paths, apart from their queries. */
  readonly answers = new Map<string, (request: IncomingMessage) => object>();
  readonly #streams = new EventStreams({
    after: (number) => this.events.filter((event) => event.number > number),
    listen: () => () => undefined,
  });
  readonly #startedAt = performance.now();
  readonly #folder: string;
  readonly #server: Server;

  static async start(status: StatusV1): Promise<FakeDaemon> {
    const daemon = new FakeDaemon(status);
    await new Promise<void>((resolve) => daemon.#server.listen(daemon.socket, resolve));
    return daemon;
  }

  private constructor(status: StatusV1) {
    this.status = status;
    this.#folder = mkdtempSync(join(tmpdir(), 'wanmark-daemon-'));
    this.socket = join(this.#folder, 'socket');
    this.#server = createServer(async (request, response) => {
      const path = request.url!.split('?')[0]!;
      this.asked.push(`${request.method} ${request.url}`);
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      if (chunks.length > 0) this.sent.push(Buffer.concat(chunks).toString());
      if (path === '/v1/events') {
        const after = new URL(request.url!, 'http://x').searchParams.get('after');
        this.#streams.open(request, response, after === null ? undefined : Number(after));
        return;
      }
      const answer = path === '/v1/status' ? this.#status() : this.answers.get(path)?.(request);
      response.writeHead(answer === undefined ? 404 : 200, { connection: 'close' });
      response.end(JSON.stringify(answer ?? { error: 'there is no such thing' }));
    });
  }

  /** Ends all its connections, as when it is killed. */
  cut(): void {
    this.#server.closeAllConnections();
  }

  /** What it is to say, with the time that it has been running. */
  #status(): StatusV1 {
    const seconds = (performance.now() - this.#startedAt) / 1000;
    return { ...this.status, uptimeSeconds: this.status.uptimeSeconds + seconds };
  }

  async stop(): Promise<void> {
    this.#streams.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.#folder, { recursive: true });
  }
}
