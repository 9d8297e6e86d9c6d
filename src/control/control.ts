import { lstatSync, mkdirSync, rmSync, type Stats } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { type Change, parseChange, UnknownWan } from '../config/change.js';
import { SystemError, UsageError, WanmarkError } from '../errors.js';
import type { Status } from './status.js';

/** Decisions share the thread: so many requests, each a fraction of a millisecond, may come before one. */
const MAX_CONNECTIONS = 8;
const MAX_HEADER_BYTES = 4096;
/** For a client that does not end its request, or does not read the answer. */
const CLIENT_TIMEOUT_MS = 2000;
/** A change takes a hundred. */
const MAX_BODY_BYTES = 1024;
/** So much of a longer one is read, and thrown away, so that its sender hears why it is refused. */
const MAX_READ_BYTES = 65_536;
/** For the rules to follow, which wait for another script that is at them. */
const CHANGE_TIMEOUT_MS = 60_000;
/** The socket's mode 0660, from the moment it exists. */
const UMASK = 0o117;

/** For a large table to be counted. */
const STATUS_TIMEOUT_MS = 10_000;

/** What `POST /set` answers, as JSON: `said` with 200, `error` with any other status. */
export interface SetAnswer {
  /** One line: what is so now. */
  readonly said?: string;
  /** One line: what is wrong and what to do. */
  readonly error?: string;
}

/** @param counted whether connections are wanted, which may take a moment */
export type Look = (counted: boolean) => Promise<Status>;

/** Makes a change. @returns one line that says what is so now @throws WanmarkError */
export type Set = (change: Change) => Promise<string>;

/**
 * Answers `GET /status` and `POST /set` on a unix socket with HTTP:
 *
 *     curl --unix-socket PATH http://wanmark/status
 *     curl --unix-socket PATH http://wanmark/status?connections=no
 *     curl --unix-socket PATH http://wanmark/set -d '{"wan": "fibre", "weight": 0}'
 */
export class Control {
  readonly #server: Server;
  readonly #path: string;

  /** @throws SystemError when the path cannot be used, or another daemon answers there */
  static async open(path: string, status: Look, set: Set): Promise<Control> {
    await removeStale(path);
    const control = new Control(path, status, set);
    await control.#listen();
    return control;
  }

  private constructor(path: string, status: Look, set: Set) {
    this.#path = path;
    this.#server = createServer(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        requestTimeout: CLIENT_TIMEOUT_MS,
        keepAliveTimeout: CLIENT_TIMEOUT_MS,
      },
      (request, response) => answer(request, response, status, set),
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
      const fail = (error: Error) => reject(cannotListen(this.#path, `${error.message}; use --socket PATH`));
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

function answer(request: IncomingMessage, response: ServerResponse, status: Look, set: Set): void {
  if (request.url === '/set' && request.method === 'POST') {
    void answerSet(request, response, set);
    return;
  }
  request.resume();
  const counted = request.url === '/status';
  if (request.url === '/set') {
    response.writeHead(405, { allow: 'POST' }).end();
  } else if (!counted && request.url !== '/status?connections=no') {
    response.writeHead(404).end('no such thing; ask for /status\n');
  } else if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET' }).end();
  } else {
    void answerStatus(request, response, () => status(counted));
  }
}

async function answerStatus(
  request: IncomingMessage,
  response: ServerResponse,
  status: () => Promise<Status>,
): Promise<void> {
  request.socket.setTimeout(STATUS_TIMEOUT_MS);
  const text = `${JSON.stringify(await status())}\n`;
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  response.writeHead(200, headers).end(text);
}

/** Never rejects. */
async function answerSet(request: IncomingMessage, response: ServerResponse, set: Set): Promise<void> {
  const reply = (code: number, answer: SetAnswer) => {
    const text = `${JSON.stringify(answer)}\n`;
    const length = Buffer.byteLength(text);
    const headers = { 'content-type': 'application/json', 'content-length': length, connection: 'close' };
    response.writeHead(code, headers).end(text);
  };
  try {
    const text = await bodyOf(request);
    // Whoever goes before he has said all has asked for nothing.
    if (text === undefined) return;
    const change = parseChange(parseJson(text));
    request.socket.setTimeout(CHANGE_TIMEOUT_MS);
    reply(200, { said: await set(change) });
  } catch (error) {
    reply(codeOf(error), { error: (error as Error).message });
  }
}

function codeOf(error: unknown): number {
  if (error instanceof TooLong) return 413;
  if (error instanceof UnknownWan) return 404;
  return error instanceof WanmarkError && error.exitCode === 2 ? 400 : 500;
}

/** A body of more than {@link MAX_BODY_BYTES}. */
class TooLong extends UsageError {}

/** The whole body; undefined when it broke off in the middle. @throws TooLong */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length <= MAX_BODY_BYTES) chunks.push(chunk);
      if (length > MAX_READ_BYTES) request.destroy();
    }
  } catch {
    return undefined;
  }
  if (length > MAX_BODY_BYTES) throw new TooLong(`what is to be set has more than ${MAX_BODY_BYTES} bytes`);
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError('what is to be set is no JSON; send for example {"wan": "fibre", "weight": 0}');
  }
}

/**
 * Makes way where a daemon that crashed has left its socket. A socket that answers is another daemon's, and what is not
 * a socket is somebody's: both stay.
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

/** In words; undefined where there is nothing, or nobody may look, of which listen() says more. */
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

/** The code of the error of a connection; undefined when it is accepted. */
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
