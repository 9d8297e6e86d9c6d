import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { UsageError } from '../errors.js';
import type { RawConfig } from './options.js';
import type { Document } from './yaml.js';

type Yaml = typeof import('./yaml.js');

/** Thousands of WANs and networks fit in; more would keep the parser busy for seconds. */
const MOST_BYTES = 1 << 20;
const MOST_OPEN = 100;
/** Between two looks whether somebody has written something into a pipe. */
const PIPE_MS = 20;

/** What {@link readConfigFile} read last: a pipe (`--config <(...)`) can be read only once. */
let lastRead: { readonly path: string; readonly text: string } | undefined;

/** The text that a path had for {@link readConfigFile}, as long as it has read no other. */
export async function configText(path: string): Promise<string> {
  return lastRead?.path === path ? lastRead.text : readText(path);
}

/** Reads a YAML or JSON file (JSON is YAML) of options. @throws UsageError with file, line and column */
export async function readConfigFile(path: string): Promise<RawConfig> {
  const text = await readText(path);
  lastRead = { path, text };
  const deep = tooDeep(text);
  if (deep !== undefined) {
    throw new UsageError(`${placeOf(path, text, deep)}: more than ${MOST_OPEN} brackets are open`);
  }
  // The parser is loaded only where there is a file to read.
  const { parseDocument, visit } = await import('./yaml.js');
  const document = parseDocument(text, { prettyErrors: false, logLevel: 'error' });
  const [wrong] = document.errors;
  if (wrong !== undefined) throw unreadable(placeOf(path, text, wrong.pos[0]), wrong);
  let content: unknown;
  try {
    content = document.toJS() ?? {};
  } catch (error) {
    // Aliases that lead nowhere, or multiply, are found only when they are resolved.
    let at = 0;
    visit(document, {
      Alias: (_, { range }) => {
        at = range?.[0] ?? 0;
        return visit.BREAK;
      },
    });
    throw unreadable(placeOf(path, text, at), error as Error);
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    const at = document.contents?.range?.[0] ?? 0;
    throw new UsageError(
      `${placeOf(path, text, at)}: must be a map of options, for example "strategy: weighted"`,
    );
  }
  if (isCircular(content)) {
    throw new UsageError(
      `${placeOf(path, text, innerAlias(document, visit))}: this alias is in what it names`,
    );
  }
  return content as RawConfig;
}

/** Whether something is a part of itself. */
function isCircular(content: unknown, above: ReadonlySet<unknown> = new Set(), done = new Set()): boolean {
  if (typeof content !== 'object' || content === null || done.has(content)) return false;
  if (above.has(content)) return true;
  const within = new Set(above).add(content);
  const found = Object.values(content).some((part) => isCircular(part, within, done));
  done.add(content);
  return found;
}

/** Where the first alias is that names something around it; 0 where there is none. */
function innerAlias(document: Document, visit: Yaml['visit']): number {
  let at = 0;
  visit(document, {
    Alias: (_, alias, path) => {
      const named = alias.resolve(document);
      if (named === undefined || !path.includes(named)) return undefined;
      at = alias.range?.[0] ?? 0;
      return visit.BREAK;
    },
  });
  return at;
}

function unreadable(place: string, error: Error): UsageError {
  return new UsageError(`${place}: ${error.message.split('\n')[0]}`, { cause: error });
}

/**
 * Reads a text that somebody wrote, also of a pipe, without stopping this process meanwhile.
 * @throws UsageError, also for what is too large or is not a text
 */
export async function readText(path: string): Promise<string> {
  let bytes: Buffer;
  let size: number;
  try {
    // Opening a FIFO that nobody writes into would wait for ever.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      ({ size } = await file.stat());
      bytes = size > MOST_BYTES ? Buffer.alloc(0) : await readTo(file, MOST_BYTES + 1);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new UsageError(`cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
  if (Math.max(size, bytes.length) > MOST_BYTES) {
    const has = size > MOST_BYTES ? `${size} bytes` : 'more';
    throw new UsageError(`${path} has ${has}; a configuration has at most ${MOST_BYTES} bytes`);
  }
  const text = bytes.toString('utf8');
  const nul = text.indexOf('\0');
  if (nul >= 0) throw new UsageError(`${placeOf(path, text, nul)}: NUL byte; this is not a text file`);
  return text;
}

/** Reads to the end, or to `most` bytes; a device has no end, and a pipe no size. */
async function readTo(file: FileHandle, most: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let left = most; left > 0; ) {
    const part = await readSome(file, left);
    if (part.length === 0) break;
    parts.push(part);
    left -= part.length;
  }
  return Buffer.concat(parts);
}

/** Empty at the end. Waits while a pipe has somebody who may still write into it. */
async function readSome(file: FileHandle, most: number): Promise<Buffer> {
  for (;;) {
    try {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(Math.min(1 << 16, most)));
      return buffer.subarray(0, bytesRead);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      await setTimeout(PIPE_MS);
    }
  }
}

/** Where more brackets are open than any configuration needs; the parser would take seconds, and then overflow. */
function tooDeep(text: string): number | undefined {
  let open = 0;
  for (const { 0: bracket, index } of text.matchAll(/[[\]{}]/g)) {
    open = bracket === '[' || bracket === '{' ? open + 1 : Math.max(0, open - 1);
    if (open > MOST_OPEN) return index;
  }
  return undefined;
}

/** A place in a text as `FILE:LINE:COLUMN`, both from 1 on. */
export function placeOf(path: string, text: string, at: number): string {
  const lines = text.slice(0, at).split('\n');
  return `${path}:${lines.length}:${lines.at(-1)!.length + 1}`;
}
