import { lstatSync, mkdirSync, rmSync, type Stats } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { SystemError } from '../errors.js';
import { answer, type Look, type MakeChange } from './answers.js';
import type { Reloading } from './reload.js';
import { type SourcesV1, V1 } from './v1.js';
import { Visitors } from './visitors.js';

const MAX_HEADER_BYTES = 4096;
/** When to listen again after a connection could not be accepted. */
const AGAIN_MS = 1000;
/** Gives the socket mode 0660 from the moment it exists. */
const UMASK = 0o117;

/**
 * Answers `GET /status`, `POST /set`, `POST /reload` and what docs/api.md describes on a unix socket with HTTP:
 *
 *     curl --unix-socket PATH http://wanmark/status
 *     curl --unix-socket PATH http://wanmark/status?connections=no
 *     curl --unix-socket PATH http://wanmark/set -d '{"wan": "fibre", "weight": 0}'
 *     curl --unix-socket PATH http://wanmark/reload -d '{"dryRun": true}'
 */
export class Control {
  readonly #server: Server;
  readonly #path: string;
  readonly #onFault: (error: unknown) => void;
  readonly #v1: V1 | undefined;
  #again: NodeJS.Timeout | undefined;

  /**
   * @param onFault told when nobody can be answered for a moment
   * @param sources of what is below `/v1/`; without them there is nothing
   * @param reloading without it there is no `/reload`
   * @throws SystemError when the path cannot be used, or another daemon answers there
   */
  static async open(
    path: string,
    status: Look,
    set: MakeChange,
    onFault: (error: unknown) => void = () => undefined,
    sources?: SourcesV1,
    reloading?: Reloading,
  ): Promise<Control> {
    await removeStale(path);
    const control = new Control(path, status, set, onFault, sources && new V1(sources), reloading);
    await control.#listen();
    return control;
  }

  private constructor(
    path: string,
    status: Look,
    set: MakeChange,
    onFault: (error: unknown) => void,
    v1: V1 | undefined,
    reloading: Reloading | undefined,
  ) {
    this.#v1 = v1;
    this.#path = path;
    this.#onFault = onFault;
    const visitors = new Visitors();
    this.#server = createServer({ maxHeaderSize: MAX_HEADER_BYTES }, (request, response) =>
      answer(request, response, status, set, visitors, v1, reloading),
    );
    // Requests that come together would all be answered before the next decision.
    this.#server.maxRequestsPerSocket = 1;
    this.#server.on('connection', (socket) => visitors.came(socket));
    this.#server.on('clientError', (_error, socket) => socket.destroy());
    this.#server.unref();
  }

  /** Ends all connections and removes the socket. */
  close(): void {
    clearTimeout(this.#again);
    this.#v1?.close();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /**
   * Where a connection cannot be accepted for want of a descriptor, libuv would try again without a pause, for as long as it
   * waits. Clients are refused instead, until there are descriptors.
   */
  #refuseForNow(error: Error): void {
    this.#onFault(error);
    this.#server.close();
    this.#again = setTimeout(() => this.#listen().catch((why) => this.#refuseForNow(why)), AGAIN_MS).unref();
  }

  #listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (error: Error) => reject(cannotListen(this.#path, `${error.message}; use --socket PATH`));
      try {
        mkdirSync(dirname(this.#path), { recursive: true, mode: 0o755 });
      } catch (error) {
        fail(error as Error);
        return;
      }
      this.#server.once('error', fail);
      // libuv binds before listen() returns, so the umask is changed only until then.
      const umask = process.umask(UMASK);
      this.#server.listen(this.#path, () => {
        this.#server.off('error', fail).once('error', (error) => this.#refuseForNow(error));
        resolve();
      });
      process.umask(umask);
    });
  }
}

/**
 * Removes the socket that a crashed daemon left. A socket that answers is another daemon's and stays; anything that is
 * not a socket stays, too.
 *
 * @throws SystemError
 */
async function removeStale(path: string): Promise<void> {
  const kind = kindOf(path);
  if (kind === undefined) return;
  if (kind !== 'a socket') {
    throw cannotListen(path, `it is ${kind} and not a socket; move it away or use --socket PATH`);
  }
  const refusal = await refusalOf(path);
  if (refusal === undefined) {
    throw new SystemError('CONTROL_TAKEN', `another daemon answers on ${path}; use --socket PATH`);
  }
  if (refusal === 'ECONNREFUSED') rmSync(path, { force: true });
}

/**
 * The kind of file in words; undefined where there is nothing or it cannot be looked at, which listen() will explain.
 */
function kindOf(path: string): string | undefined {
  let stats: Stats | undefined;
  try {
    stats = lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
  if (stats === undefined) return undefined;
  if (stats.isSocket()) return 'a socket';
  if (stats.isFile()) return 'a regular file';
  if (stats.isDirectory()) return 'a directory';
  if (stats.isSymbolicLink()) return 'a symbolic link';
  return stats.isFIFO() ? 'a FIFO' : 'a device';
}

/** The error code of an attempt to connect; undefined when the connection is accepted. */
function refusalOf(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code ?? 'unknown'));
  });
}

function cannotListen(path: string, why: string): SystemError {
  return new SystemError('CONTROL_SOCKET', `cannot listen on ${path}: ${why}`);
}
