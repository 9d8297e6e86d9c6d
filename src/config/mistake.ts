import { UsageError } from '../errors.js';
import type { RawConfig } from './options.js';

/** More places than any configuration has by hand; each is a check of the whole. */
const MOST_PLACES = 500;

/** The way to a place in a file's content: an option, the number of an item, a key of it. */
type Way = readonly (string | number)[];

/**
 * Names the place of a mistake in a file of options: `wan.yaml:12:5: WAN "dsl": unknown key "weigt"`. Checks know what is
 * wrong, and not where it was written; so the place is the smallest part of the file without which the complaint does not
 * come. Of several, as with two WANs of one name, it is the last.
 * @param check complains about the mistake, in the file's options
 * @returns what to throw in place of `error`; that itself where no place in the file is to blame
 */
export async function locateMistake(
  file: { readonly path: string; readonly text: string },
  error: unknown,
  check: (raw: RawConfig) => void,
): Promise<unknown> {
  if (!(error instanceof UsageError)) return error;
  const { LineCounter, parseDocument } = await import('yaml');
  const lineCounter = new LineCounter();
  const document = parseDocument(file.text, { lineCounter });
  const content: unknown = document.toJS();
  if (typeof content !== 'object' || content === null) return error;
  const complaint = (raw: RawConfig) => complaintOf(() => check(raw));
  if (complaint(content as RawConfig) !== error.message) return error;
  const ways = waysIn(content).slice(0, MOST_PLACES);
  const found = ways.map((way) => ({ way, now: complaint(without(content, way) as RawConfig) }));
  const cured = found.filter(({ now }) => now === undefined);
  const changed = found.filter(({ now }) => now !== error.message);
  const { way } = deepest(cured) ?? deepest(mostQuoted(content, changed, error.message)) ?? {};
  const offset = way && offsetOf(document, way);
  if (offset === undefined) return error;
  const { line, col } = lineCounter.linePos(offset);
  return new UsageError(`${file.path}:${line}:${col}: ${error.message}`, { cause: error });
}

function complaintOf(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** The ways to all places down to the keys of an item, in the order of the file. */
function waysIn(content: object, before: Way = []): Way[] {
  const keys: readonly (string | number)[] = Array.isArray(content)
    ? [...content.keys()]
    : Object.keys(content);
  return keys.flatMap((key) => {
    const value = (content as Readonly<Record<string | number, unknown>>)[key];
    const way = [...before, key];
    const isDeep = typeof value === 'object' && value !== null && way.length < 4;
    return [way, ...(isDeep ? waysIn(value, way) : [])];
  });
}

/** The content without one place. */
function without(content: unknown, [key, ...rest]: Way): unknown {
  if (Array.isArray(content)) {
    return content.flatMap((one, i) => (i !== key ? [one] : rest.length > 0 ? [without(one, rest)] : []));
  }
  return Object.fromEntries(
    Object.entries(content as object).flatMap(([name, value]) =>
      name !== key ? [[name, value]] : rest.length > 0 ? [[name, without(value, rest)]] : [],
    ),
  );
}

/**
 * The places that hold most of what a message quotes of the file, since with a second mistake there is another complaint
 * whatever is left out.
 */
function mostQuoted<Place extends { readonly way: Way }>(
  content: unknown,
  places: readonly Place[],
  message: string,
): readonly Place[] {
  // What comes behind is advice.
  const quoted = [...message.split(';')[0]!.matchAll(/"([^"]+)"/g)].map(([, word]) => word!);
  const counts = places.map(({ way }) => {
    const value = way.reduce<unknown>((at, key) => (at as Readonly<Record<string, unknown>>)[key], content);
    const text = JSON.stringify({ [String(way.at(-1))]: value });
    return quoted.filter((word) => text.includes(word)).length;
  });
  const most = Math.max(1, ...counts);
  return places.filter((_, i) => counts[i] === most);
}

/** The last of those whose way is longest. */
function deepest<Place extends { readonly way: Way }>(places: readonly Place[]): Place | undefined {
  const most = Math.max(...places.map(({ way }) => way.length));
  return places.findLast(({ way }) => way.length === most);
}

/** Where a place begins: its key, or the item itself. */
function offsetOf(document: { getIn(way: Way, keepScalar: boolean): unknown }, way: Way): number | undefined {
  const parent = document.getIn(way.slice(0, -1), true) as
    | { readonly items?: readonly { readonly key?: { readonly value?: unknown; readonly range?: Range } }[] }
    | undefined;
  const pair = parent?.items?.find(({ key }) => key?.value === way.at(-1));
  const node = pair?.key ?? (document.getIn(way, true) as { readonly range?: Range } | undefined);
  return node?.range?.[0];
}

type Range = readonly [number, number, number] | null | undefined;
