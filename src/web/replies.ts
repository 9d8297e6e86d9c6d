import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Asset } from './assets.js';

/**
 * What each answer tells the browser: nothing but our own files runs or is shown, in no frame, and nobody learns our address from a
 * link. Trusted Types leave lit-html as the only way from text to HTML.
 */
const SECURITY = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    'trusted-types lit-html',
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
} as const;

/** Sets what every answer has. */
export function secure(response: ServerResponse): void {
  for (const [name, value] of Object.entries(SECURITY)) response.setHeader(name, value);
}

/** Answers with text of a type that must not be kept. */
export function reply(response: ServerResponse, code: number, type: string, text: string): void {
  response.writeHead(code, {
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  });
  response.end(text);
}

/** Answers with a JSON text. @param code the HTTP status */
export function replyJson(response: ServerResponse, code: number, value: object): void {
  reply(response, code, 'application/json; charset=utf-8', `${JSON.stringify(value)}\n`);
}

/** Answers with one line of JSON that says what is wrong, as all of our errors are. */
export function refuse(response: ServerResponse, code: number, error: string): void {
  replyJson(response, code, { error });
}

/** Answers with a file, or with the word that the browser has it already. */
export function replyAsset({ headers }: IncomingMessage, response: ServerResponse, asset: Asset): void {
  const { type, body, tag } = asset;
  response.setHeader('etag', tag);
  // It is asked for each time, so that after an upgrade no page has files of both versions.
  response.setHeader('cache-control', 'no-cache');
  if (headers['if-none-match'] === tag) {
    response.writeHead(304).end();
    return;
  }
  response.writeHead(200, { 'content-type': type, 'content-length': body.length }).end(body);
}
