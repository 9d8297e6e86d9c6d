import { readFileSync } from 'node:fs';
import { UsageError } from '../errors.js';
import type { RawConfig } from './options.js';

/** Thousands of WANs and networks fit in; more would keep the parser busy for seconds. */
const MOST_BYTES = 1 << 20;
const MOST_OPEN = 100;

/** Reads a YAML or JSON file (JSON is YAML) of options. @throws UsageError with file, line and column */
export async function readConfigFile(path: string): Promise<RawConfig> {
  const text = readText(path);
  const deep = tooDeep(text);
  if (deep !== undefined) {
    throw new UsageError(`${placeOf(path, text, deep)}: more than ${MOST_OPEN} brackets are open`);
  }
  // The parser is loaded only where there is a file to read.
  const { parseDocument, visit } = await import('./yaml.js');
  const document = parseDocument(text, { prettyErrors: false });
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
  return content as RawConfig;
}

function unreadable(place: string, error: Error): UsageError {
  return new UsageError(`${place}: ${error.message.split('\n')[0]}`, { cause: error });
}

/** Reads a text that somebody wrote. @throws UsageError, also for what is too large or is not a text */
export function readText(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new UsageError(`cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
  if (bytes.length > MOST_BYTES) {
    throw new UsageError(`${path} has ${bytes.length} bytes; a configuration has at most ${MOST_BYTES}`);
  }
  const text = bytes.toString('utf8');
  const nul = text.indexOf('\0');
  if (nul >= 0) throw new UsageError(`${placeOf(path, text, nul)}: NUL byte; this is not a text file`);
  return text;
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
