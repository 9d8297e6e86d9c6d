import { readFileSync } from 'node:fs';
import { UsageError } from '../errors.js';
import type { RawConfig } from './options.js';

/** Reads a YAML or JSON file (JSON is YAML) of options. @throws UsageError with file and line */
export async function readConfigFile(path: string): Promise<RawConfig> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
  // The parser is loaded only where there is a file to read.
  const { parseDocument } = await import('yaml');
  const document = parseDocument(text, { prettyErrors: true });
  const [error] = document.errors;
  if (error !== undefined) throw new UsageError(`${path}: ${error.message.split('\n')[0]}`, { cause: error });
  const content: unknown = document.toJS() ?? {};
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new UsageError(`${path} must be a map of options, for example "strategy: weighted"`);
  }
  return content as RawConfig;
}
