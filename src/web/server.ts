import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { SystemError } from '../errors.js';
import { Access } from './access.js';
import { type Asset, readAssets } from './assets.js';
import type { History } from './history.js';
import type { Listen } from './listen.js';
import { needOurs } from './origin.js';
import { Refused } from './refused.js';
import { refuse, replyAsset, secure } from './replies.js';
import { findRoute, type RouteContext } from './routes.js';
import type { Token } from './token.js';
import { Watch } from './watch.js';

/** Most connections at a time, of which 32 may be streams. */
const MOST_CONNECTIONS = 128;
const MOST_URL = 2048;
const MOST_HEADER_BYTES = 8192;
/** The time for a request's headers, and for all of it. */
const HEADERS_MS = 5_000;
const REQUEST_MS = 10_000;
/** A connection on which nothing is read or written for so long is ended; a change may take a minute to be answered. */
const IDLE_MS = 90_000;
/** How often slow requests are looked for. */
const LIMITS_MS = 1_000;

export interface WebOptions {
  readonly listen: Listen;
  /** That of this program. */
  readonly version: string;
  /** The path of the daemon's socket. */
  readonly socket: string;
  /** Undefined: everybody who can reach us may look. */
  readonly token: Token | undefined;
  /** Names of this server, besides its addresses and localhost. */
  readonly hosts: readonly string[];
  /** Whether the page may drain WANs and set them down. */
  readonly allowSet: boolean;
  /** What is known of the past already; nothing by default. */
  readonly history?: History;
  /** Told of bugs. */
  readonly onFault: (error: unknown) => void;
}

/** The page and the metrics, for browsers and Prometheus. It asks the daemon on its socket, and knows nothing else. */
export class Web {
  readonly #options: WebOptions;
  readonly #server: Server;
  readonly #watch: Watch;
  readonly #access: Access;
  readonly #assets: ReadonlyMap<string, Asset>;
  readonly #hosts: readonly string[];

  /** Listens. @throws SystemError where the address is taken, or not one of this machine */
  static async start(options: WebOptions): Promise<Web> {
    const web = new Web(options);
    await web.#listen();
    web.#watch.begin();
    return web;
  }

  private constructor(options: WebOptions) {
    this.#options = options;
    this.#watch = new Watch(options.socket, options.history);
    this.#access = new Access(options.token);
    this.#assets = readAssets();
    this.#hosts = options.hosts.map((name) => name.toLowerCase());
    this.#server = createServer(
      {
        maxHeaderSize: MOST_HEADER_BYTES,
        headersTimeout: HEADERS_MS,
        requestTimeout: REQUEST_MS,
        connectionsCheckingInterval: LIMITS_MS,
        keepAliveTimeout: HEADERS_MS,
      },
      (request, response) => void this.#answer(request, response),
    );
    this.#server.maxConnections = MOST_CONNECTIONS;
    this.#server.timeout = IDLE_MS;
    this.#server.on('clientError', (_error, socket) => socket.destroy());
  }

  /** The port, also where any free one was asked for. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : this.#options.listen.port;
  }

  /** Ends all connections. */
  stop(): void {
    this.#watch.stop();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** Answers one request. Never rejects. */
  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A browser that leaves in the middle is nobody's mistake.
    response.on('error', () => undefined);
    secure(response);
    try {
      await this.#route(request, response);
    } catch (error) {
      if (!(error instanceof Refused) && request.readableAborted) return;
      if (response.headersSent) {
        response.destroy();
        this.#options.onFault(error);
        return;
      }
      // What was not read of a body would be taken for the next request.
      response.setHeader('connection', 'close');
      if (error instanceof Refused) {
        if (error.retryAfter !== undefined) response.setHeader('retry-after', error.retryAfter);
        if (error.code === 401) response.setHeader('www-authenticate', 'Bearer realm="wanmark"');
        refuse(response, error.code, error.message);
      } else {
        this.#options.onFault(error);
        refuse(response, 500, 'a bug; what it is stands in the log');
      }
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { url = '', method = '' } = request;
    if (url.length > MOST_URL) throw new Refused(414, 'the address is too long');
    // Taken as it is: whatever else leads to the same path elsewhere leads nowhere here.
    const [path = '', ...rest] = url.split('?');
    needOurs(request, path, this.#hosts);
    const asset = this.#assets.get(path);
    if (asset !== undefined) {
      if (method !== 'GET' && method !== 'HEAD') throw new Refused(405, 'use GET');
      replyAsset(request, response, asset);
      return;
    }
    const route = findRoute(method, path);
    if (!route.isOpen) this.#access.need(request);
    const query = new URLSearchParams(rest.join('?'));
    await route.answer({ ...this.#context, request, response, query });
  }

  get #context(): Omit<RouteContext, 'request' | 'response' | 'query'> {
    const { version, socket, allowSet } = this.#options;
    return { version, socket, allowSet, access: this.#access, watch: this.#watch };
  }

  #listen(): Promise<void> {
    const { host, port } = this.#options.listen;
    return new Promise((resolve, reject) => {
      this.#server.once('error', ({ code }: NodeJS.ErrnoException) =>
        reject(new SystemError('WEB_LISTEN', `cannot listen on ${host} port ${port}: ${code}; use --listen`)),
      );
      this.#server.listen({ host, port }, () => resolve());
    });
  }
}
