import { readFileSync } from 'node:fs';
import { UsageError } from '../errors.js';
import type { RawConfig } from './options.js';

/** Thousands of WANs and networks fit in; more would keep the parser busy for seconds. */
const MOST_BYTES = 1 << 20;
const MOST_OPEN = 100;

/** Reads a YAML or JSON file (JSON is YAML) of options. @throws UsageError with file and line */
export async function readConfigFile(path: string): Promise<RawConfig> {
  const text = readText(path);
  const deep = tooDeep(text);
  if (deep !== undefined) {
    throw new UsageError(`${path}: more than ${MOST_OPEN} brackets are open at line ${lineOf(text, deep)}`);
  }
  // The parser is loaded only where there is a file to read.
  const { parseDocument } = await import('yaml');
  let content: unknown;
  try {
    const document = parseDocument(text, { prettyErrors: true });
    const [error] = document.errors;
    if (error !== undefined) throw error;
    content = document.toJS() ?? {};
  } catch (error) {
    // Aliases that multiply are found only when they are resolved.
    throw new UsageError(`${path}: ${(error as Error).message.split('\n')[0]}`, { cause: error });
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new UsageError(`${path} must be a map of options, for example "strategy: weighted"`);
  }
  return content as RawConfig;
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
  if (nul >= 0)
    throw new UsageError(`${path}: NUL byte at line ${lineOf(text, nul)}; this is not a text file`);
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

function lineOf(text: string, at: number): number {
  return text.slice(0, at).split('\n').length;
}
