import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseChange } from '../config/change.js';
import { askDaemon } from '../control/daemon-client.js';
import type { StatusV1 } from '../control/status.js';
import { UsageError, WanmarkError } from '../errors.js';
import { CONTENT_TYPE } from '../metrics/exposition.js';
import { metricsText } from '../metrics/metrics.js';
import type { Access } from './access.js';
import { jsonBody } from './body.js';
import { SPANS, type Span } from './history.js';
import { needIntent } from './origin.js';
import { Refused } from './refused.js';
import { reply, replyJson } from './replies.js';
import type { Watch } from './watch.js';

/** Time for the daemon's rules to follow a change. */
const SET_MS = 60_000;

/** Time to read a large table of connections, or to explain one. */
const QUESTION_MS = 60_000;

/** What a route answers from. */
export interface RouteContext {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  /** That of this program. */
  readonly version: string;
  readonly socket: string;
  readonly allowSet: boolean;
  readonly access: Access;
  readonly watch: Watch;
}

interface Route {
  /** Whether it is answered without a token. */
  readonly isOpen?: true;
  /** @throws Refused */
  readonly answer: (context: RouteContext) => void | Promise<void>;
}

/** Everything but the files of the page, by method and path. */
const ROUTES: Readonly<Record<string, Readonly<Record<string, Route>>>> = {
  '/api/session': { GET: { answer: session } },
  '/api/login': { POST: { isOpen: true, answer: login } },
  '/api/logout': { POST: { isOpen: true, answer: logout } },
  '/api/stream': { GET: { answer: stream } },
  '/api/history': { GET: { answer: history } },
  '/api/connections': { GET: { answer: connections } },
  '/api/explain': { GET: { answer: explain } },
  '/api/set': { POST: { answer: set } },
  '/metrics': { GET: { answer: metrics } },
};

/** @throws Refused where there is none */
export function findRoute(method: string, path: string): Route {
  const methods = Object.hasOwn(ROUTES, path) ? ROUTES[path]! : undefined;
  if (methods === undefined) throw new Refused(404, 'there is no such thing');
  const route = Object.hasOwn(methods, method) ? methods[method] : undefined;
  if (route === undefined) throw new Refused(405, `use ${Object.keys(methods).join(' or ')}`);
  return route;
}

/** What the page has to know before it begins. */
function session({ response, version, allowSet, access }: RouteContext): void {
  replyJson(response, 200, { version, allowSet, canLogout: access.isGuarded });
}

async function login({ request, response, access }: RouteContext): Promise<void> {
  needIntent(request);
  const { token } = await jsonBody(request);
  if (typeof token !== 'string') throw new Refused(400, 'send {"token": "..."}');
  response.setHeader('set-cookie', access.login(token, request));
  replyJson(response, 200, {});
}

function logout({ request, response, access }: RouteContext): void {
  needIntent(request);
  response.setHeader('set-cookie', access.logout(request));
  replyJson(response, 200, {});
}

function stream({ response, watch }: RouteContext): void {
  if (!watch.stream.join(response)) throw new Refused(503, 'too many pages are open', 5);
}

function history({ response, query, watch }: RouteContext): void {
  const span = query.get('span') ?? 'hour';
  const after = Number(query.get('after') ?? 0);
  if (!Object.hasOwn(SPANS, span) || !Number.isFinite(after))
    throw new Refused(400, `span must be one of ${Object.keys(SPANS).join(', ')}, after a time`);
  replyJson(response, 200, watch.history.columns(span as Span, 1000 * after));
}

async function connections({ response, query, socket }: RouteContext): Promise<void> {
  await passOn(response, socket, `/v1/connections?${query}`);
}

async function explain({ response, query, socket }: RouteContext): Promise<void> {
  await passOn(response, socket, `/v1/explain?${query}`);
}

/** Answers what the daemon answers, which checks the question itself. */
async function passOn(response: ServerResponse, socket: string, path: string): Promise<void> {
  try {
    const { status, answer } = await askDaemon<object>(socket, path, undefined, QUESTION_MS);
    replyJson(response, status, answer);
  } catch (error) {
    throw refused(error);
  }
}

async function set({ request, response, socket, allowSet }: RouteContext): Promise<void> {
  if (!allowSet) throw new Refused(403, 'this page only shows; start wanmark web with --allow-set');
  needIntent(request);
  const body = await jsonBody(request);
  try {
    const { status, answer } = await askDaemon<object>(socket, '/set', parseChange(body), SET_MS);
    replyJson(response, status, answer);
  } catch (error) {
    throw refused(error);
  }
}

async function metrics({ response, socket, version }: RouteContext): Promise<void> {
  let status: StatusV1 | undefined;
  try {
    status = (await askDaemon<StatusV1>(socket, '/v1/status')).answer;
  } catch (error) {
    if (!(error instanceof WanmarkError)) throw error;
  }
  reply(response, 200, CONTENT_TYPE, metricsText(status, version));
}

/** What an error of ours is for a browser: its question was wrong, or the daemon does not answer. Others are bugs. */
function refused(error: unknown): unknown {
  if (!(error instanceof WanmarkError)) return error;
  return new Refused(error instanceof UsageError ? 400 : 502, error.message);
}
