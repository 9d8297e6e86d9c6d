import type { IncomingMessage } from 'node:http';
import { Refused } from './refused.js';

/** A change or a token takes some hundred bytes. */
const MOST_BYTES = 4096;

/**
 * The object of a request's body, which must say that it is JSON: a form of a foreign page cannot.
 * @throws Refused, or an Error where the request breaks off
 */
export async function jsonBody(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  if (!/^application\/json *(;|$)/.test(request.headers['content-type'] ?? ''))
    throw new Refused(415, 'send JSON, with content-type: application/json');
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MOST_BYTES) throw new Refused(413, `send ${MOST_BYTES} bytes at most`);
    chunks.push(chunk);
  }
  const value = parsed(Buffer.concat(chunks).toString('utf8'));
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Refused(400, 'the body is not a JSON object');
  return value as Record<string, unknown>;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
