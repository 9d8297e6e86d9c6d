import { mkdirSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { SystemError } from '../errors.js';
import type { Status } from './status.js';

/** Decisions share the thread: so many requests, each a fraction of a millisecond, may come before one. */
const MAX_CONNECTIONS = 8;
const MAX_HEADER_BYTES = 4096;
/** For a client that does not end its request, or does not read the answer. */
const CLIENT_TIMEOUT_MS = 2000;
/** The socket's mode 0660, from the moment it exists. */
const UMASK = 0o117;

/** Answers `GET /status` on a unix socket with HTTP: `curl --unix-socket PATH http://wanmark/status`. */
export class Control {
  readonly #server: Server;
  readonly #path: string;

  /** @throws SystemError when the path cannot be used, or another daemon answers there */
  static async open(path: string, status: () => Status): Promise<Control> {
    await removeStale(path);
    const control = new Control(path, status);
    await control.#listen();
    return control;
  }

  private constructor(path: string, status: () => Status) {
    this.#path = path;
    this.#server = createServer(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        requestTimeout: CLIENT_TIMEOUT_MS,
        keepAliveTimeout: CLIENT_TIMEOUT_MS,
      },
      (request, response) => answer(request, response, status),
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.timeout = CLIENT_TIMEOUT_MS;
    this.#server.on('clientError', (_error, socket) => socket.destroy());
    this.#server.unref();
  }

  /** Ends all conversations and removes the socket. */
  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (error: Error) =>
        reject(
          new SystemError(
            'CONTROL_SOCKET',
            `cannot listen on ${this.#path}: ${error.message}; use --socket PATH`,
          ),
        );
      try {
        mkdirSync(dirname(this.#path), { recursive: true, mode: 0o755 });
      } catch (error) {
        fail(error as Error);
        return;
      }
      this.#server.once('error', fail);
      // libuv binds before listen() returns, so the umask is another's for no longer than that.
      const umask = process.umask(UMASK);
      this.#server.listen(this.#path, () => resolve());
      process.umask(umask);
    });
  }
}

function answer(request: IncomingMessage, response: ServerResponse, status: () => Status): void {
  request.resume();
  if (request.url !== '/status') {
    response.writeHead(404).end('no such thing; ask for /status\n');
  } else if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET' }).end();
  } else {
    response.writeHead(200, { 'content-type': 'application/json' }).end(`${JSON.stringify(status())}\n`);
  }
}

/** A daemon that crashed leaves its socket behind; one that answers is another daemon's. */
function removeStale(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      reject(new SystemError('CONTROL_TAKEN', `another daemon answers on ${path}; use --socket PATH`));
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') rmSync(path, { force: true });
      resolve();
    });
  });
}
