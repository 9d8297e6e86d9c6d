import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Change, parseChange, UnknownWan } from '../config/change.js';
import { printableJson } from '../core/printable.js';
import { UsageError, WanmarkError } from '../errors.js';
import type { Reloading } from './reload.js';
import type { Status } from './status.js';
import type { V1 } from './v1.js';
import type { Visitors } from './visitors.js';

/** The largest body that is accepted; a change takes about a hundred bytes. */
const MAX_BODY_BYTES = 1024;
/** How much of a longer body is read and thrown away, so that its sender hears why it is refused. */
const MAX_READ_BYTES = 65_536;
/** Time for the rules to follow; they may have to wait for another script that holds the lock. */
const CHANGE_TIMEOUT_MS = 60_000;
/** Time to count the connections of a large table. */
const STATUS_TIMEOUT_MS = 10_000;

/** Time for a process that explains a connection, behind those that are asked before. */
const EXPLAIN_TIMEOUT_MS = 60_000;

/** The answer to `POST /set`, as JSON: `said` with 200, `error` with any other status. */
export interface SetAnswer {
  /** One line: the state after the change. */
  readonly said?: string;
  /** One line: what is wrong and what to do. */
  readonly error?: string;
}

/** Makes a status. @param counted whether connections are wanted, which may take a moment */
export type Look = (counted: boolean) => Promise<Status>;

/** Makes a change. @returns one line with the state after it @throws WanmarkError */
export type MakeChange = (change: Change) => Promise<string>;

/** Answers one request, the only one of its connection; never throws. */
export function answer(
  request: IncomingMessage,
  response: ServerResponse,
  status: Look,
  set: MakeChange,
  visitors: Visitors,
  v1?: V1,
  reloading?: Reloading,
): void {
  const { socket } = request;
  response.setHeader('connection', 'close');
  response.once('prefinish', () => visitors.answered(socket));
  if (request.url === '/set' && request.method === 'POST') {
    void answerSet(request, response, set, () => visitors.asked(socket, CHANGE_TIMEOUT_MS));
    return;
  }
  if (reloading !== undefined && request.url === '/reload' && request.method === 'POST') {
    void answerReload(request, response, reloading, () => visitors.asked(socket, CHANGE_TIMEOUT_MS));
    return;
  }
  request.resume();
  visitors.asked(socket, request.url?.startsWith('/v1/explain?') ? EXPLAIN_TIMEOUT_MS : STATUS_TIMEOUT_MS);
  if (v1 !== undefined && request.url?.startsWith('/v1/')) {
    void v1.answer(request, response, () => visitors.follows(socket));
    return;
  }
  const counted = request.url === '/status';
  if (request.url === '/set' || (reloading !== undefined && request.url === '/reload')) {
    response.writeHead(405, { allow: 'POST' }).end();
  } else if (!counted && request.url !== '/status?connections=no') {
    response.writeHead(404).end('no such thing; ask for /status\n');
  } else if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET' }).end();
  } else {
    void answerStatus(response, () => status(counted));
  }
}

async function answerStatus(response: ServerResponse, status: () => Promise<Status>): Promise<void> {
  const text = `${printableJson(JSON.stringify(await status()))}\n`;
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  response.writeHead(200, headers).end(text);
}

/** Answers `POST /set`. Never rejects. @param asked called when the request is complete */
async function answerSet(
  request: IncomingMessage,
  response: ServerResponse,
  set: MakeChange,
  asked: () => void,
): Promise<void> {
  await answerPost(request, response, async (text) => {
    const change = parseChange(parseJson(text, '{"wan": "fibre", "weight": 0}'));
    asked();
    return { said: await set(change) } satisfies SetAnswer;
  });
}

/** Answers `POST /reload`, whose body may be empty. Never rejects. @param asked called when the request is complete */
async function answerReload(
  request: IncomingMessage,
  response: ServerResponse,
  { isAllowed, reload }: Reloading,
  asked: () => void,
): Promise<void> {
  await answerPost(request, response, async (text) => {
    if (!isAllowed(request.socket)) throw new NotAllowed("only root and the daemon's own user may reload it");
    const wish = text === '' ? {} : parseJson(text, '{"dryRun": true}');
    asked();
    return reload((wish as { dryRun?: unknown } | null)?.dryRun === true);
  });
}

/** Answers with what `make` makes of the body, or with its error. Never rejects. */
async function answerPost(
  request: IncomingMessage,
  response: ServerResponse,
  make: (text: string) => Promise<object>,
): Promise<void> {
  const reply = (code: number, answer: object) => {
    const text = `${printableJson(JSON.stringify(answer))}\n`;
    const length = Buffer.byteLength(text);
    const headers = { 'content-type': 'application/json', 'content-length': length };
    response.writeHead(code, headers).end(text);
  };
  try {
    const text = await bodyOf(request);
    // A client that leaves before its request is complete has asked for nothing.
    if (text === undefined) return;
    reply(200, await make(text));
  } catch (error) {
    reply(codeOf(error), { error: (error as Error).message });
  }
}

function codeOf(error: unknown): number {
  if (error instanceof TooLong) return 413;
  if (error instanceof UnknownWan) return 404;
  if (error instanceof NotAllowed) return 403;
  return error instanceof WanmarkError && error.exitCode === 2 ? 400 : 500;
}

/** Thrown for a client who may not ask for this. */
class NotAllowed extends UsageError {}

/** Thrown for a body of more than {@link MAX_BODY_BYTES}. */
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
  if (length > MAX_BODY_BYTES) throw new TooLong(`the request has more than ${MAX_BODY_BYTES} bytes`);
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string, example: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError(`what is asked for is not JSON; send for example ${example}`);
  }
}
