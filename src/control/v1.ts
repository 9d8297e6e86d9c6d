import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ConnectionQuery } from '../core/listed-connection.js';
import { printableJson } from '../core/printable.js';
import { UsageError, WanmarkError } from '../errors.js';
import { type ConnectionsV1, parseConnectionQuery } from './connections.js';
import { type EventFeed, EventStreams } from './event-streams.js';
import { type ExplainQuery, parseExplainQuery } from './explain-query.js';
import { choice, rejectOthers } from './query.js';
import type { StatusV1 } from './status.js';

/** Makes what `/v1/` answers. */
export interface SourcesV1 {
  /** @param counted whether connections are wanted, which may take a moment @param history of the rates */
  status(counted: boolean, history: boolean): Promise<StatusV1>;
  /** @throws WanmarkError where the kernel refuses, or too many ask */
  connections(query: ConnectionQuery): Promise<ConnectionsV1>;
  readonly events: EventFeed;
  /** @returns JSON @throws WanmarkError where the question is wrong, or too many ask */
  explain(query: ExplainQuery): Promise<string>;
}

/** For how long an answer is given to others who ask for the same; a hundred readers that ask each second cost as one. */
const SHARED_MS = 250;

/** Answers the paths below `/v1/`, which are described in docs/api.md. */
export class V1 {
  readonly #sources: SourcesV1;
  readonly #streams: EventStreams;
  readonly #shared = new Map<string, { readonly at: number; readonly text: Promise<string> }>();

  constructor(sources: SourcesV1) {
    this.#sources = sources;
    this.#streams = new EventStreams(sources.events);
  }

  /**
   * Answers one request. Never rejects.
   * @param follows called where the answer is a stream, which has no end
   */
  async answer(request: IncomingMessage, response: ServerResponse, follows: () => void): Promise<void> {
    try {
      const { pathname, searchParams } = new URL(request.url!, 'http://wanmark');
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        response.setHeader('allow', 'GET');
        reply(response, 405, failure('only GET is known here'));
      } else if (pathname === '/v1/status') {
        reply(response, 200, await this.#status(searchParams));
      } else if (pathname === '/v1/connections') {
        const answer = await this.#sources.connections(parseConnectionQuery(searchParams));
        reply(response, 200, json(answer));
      } else if (pathname === '/v1/explain') {
        reply(response, 200, await this.#sources.explain(parseExplainQuery(searchParams)));
      } else if (pathname === '/v1/events') {
        this.#events(request, response, searchParams, follows);
      } else {
        reply(response, 404, failure('there are /v1/status, /v1/events, /v1/connections and /v1/explain'));
      }
    } catch (error) {
      const code = error instanceof UsageError ? 400 : 503;
      const expected = error instanceof WanmarkError;
      reply(response, expected ? code : 500, failure((error as Error).message));
    }
  }

  close(): void {
    this.#streams.close();
  }

  #status(query: URLSearchParams): Promise<string> {
    const counted = choice(query, 'connections', ['yes', 'no']) !== 'no';
    const history = choice(query, 'history', ['no', 'yes']) === 'yes';
    rejectOthers(query, ['connections', 'history']);
    const key = `${counted} ${history}`;
    const shared = this.#shared.get(key);
    const now = performance.now();
    if (shared !== undefined && now - shared.at < SHARED_MS) return shared.text;
    const text = this.#sources.status(counted, history).then(json);
    this.#shared.set(key, { at: now, text });
    // A failure is told to those who wait for it, and not to those who come later.
    text.catch(() => this.#shared.delete(key));
    return text;
  }

  #events(
    request: IncomingMessage,
    response: ServerResponse,
    query: URLSearchParams,
    follows: () => void,
  ): void {
    const given = query.get('after') ?? request.headers['last-event-id'];
    if (given !== undefined && given !== null && !/^\d{1,15}$/.test(String(given)))
      throw new UsageError('after must be the number of an event; leave it out for those to come');
    const after = given === undefined || given === null ? undefined : Number(given);
    const follow = choice(query, 'follow', ['yes', 'no']) === 'yes';
    rejectOthers(query, ['after', 'follow']);
    if (!follow) {
      reply(response, 200, json({ api: 1, events: this.#streams.past(after ?? 0) }));
    } else if (request.method === 'HEAD') {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end();
    } else if (this.#streams.open(request, response, after)) {
      follows();
    } else reply(response, 503, failure('too many follow the events; try again later'));
  }
}

function json(value: object): string {
  return `${printableJson(JSON.stringify(value))}\n`;
}

function failure(error: string): string {
  return json({ error });
}

function reply(response: ServerResponse, code: number, text: string): void {
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  response.writeHead(code, headers).end(text);
}
