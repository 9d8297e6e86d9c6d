import { setImmediate } from 'node:timers/promises';
import { UsageError } from '../errors.js';
import { placeOf } from './file.js';
import type { RawConfig } from './options.js';

/** The places that are tried each for itself; each is a check of the whole. */
const MOST_PLACES = 100;
/** Lists with more items are searched by halves where there are more places. */
const SHORT_LIST = 10;

/** The way to a place in a file's content: an option, the number of an item, a key of it. */
type Way = readonly (string | number)[];

/**
 * Names the place of a mistake in a file of options: `wan.yaml:12:5: WAN "dsl": unknown key "weigt"`. Checks know what is
 * wrong, and not where it was written; so the place is the smallest part of the file without which the complaint does not
 * come. Of several, as with two WANs of one name, it is the last. A complaint that `check` does not have, such as that of a
 * program that is not there, is about the value that it names.
 * @param check complains about the mistake, in the file's options
 * @param file `isAlone` where no flags are given besides, so that what is missing is missing there
 * @returns what to throw in place of `error`; that itself where no place in the file is to blame
 */
export async function locateMistake(
  file: { readonly path: string; readonly text: string; readonly isAlone?: boolean },
  error: unknown,
  check: (raw: RawConfig) => void,
): Promise<unknown> {
  if (!(error instanceof UsageError)) return error;
  const { parseDocument } = await import('./yaml.js');
  const document = parseDocument(file.text, { logLevel: 'error' });
  const content: unknown = document.toJS() ?? {};
  if (typeof content !== 'object' || content === null) return error;
  const way = await wayToMistake(content, error.message, check, file.isAlone ?? false);
  const offset = way?.length === 0 ? (document.contents?.range?.[0] ?? 0) : way && offsetOf(document, way);
  if (offset === undefined) return error;
  return new UsageError(`${placeOf(file.path, file.text, offset)}: ${error.message}`, { cause: error });
}

/** What a check says of a content; undefined where it is right. A daemon searches, so others have their turn before. */
type Complaint = (content: unknown) => Promise<string | undefined>;

async function wayToMistake(
  content: object,
  message: string,
  check: (raw: RawConfig) => void,
  isAlone: boolean,
): Promise<Way | undefined> {
  const complaint: Complaint = async (raw) => {
    await setImmediate();
    return complaintOf(() => check(raw as RawConfig));
  };
  const ways = waysIn(content);
  if ((await complaint(content)) !== message) return named(content, ways, message);
  const found: { readonly way: Way; readonly now: string | undefined }[] = [];
  for (const way of await likely(content, ways, message, complaint))
    found.push({ way, now: await complaint(without(content, way)) });
  const cured = found.filter(({ now }) => now === undefined);
  const changed = found.filter(({ now }) => now !== message);
  const blamed = deepest(cured) ?? deepest(mostQuoted(content, changed, message));
  // What is missing has no place but the whole file.
  return (blamed ?? (isAlone ? (deepest(changed) ?? { way: [] }) : undefined))?.way;
}

/** The places that may be to blame: all of them, or where these are many, the options, and what of their items is likely. */
async function likely(
  content: object,
  ways: readonly Way[],
  message: string,
  complaint: Complaint,
): Promise<readonly Way[]> {
  if (ways.length <= MOST_PLACES) return ways;
  const options = ways.filter((way) => way.length === 1);
  for (const [option, list] of Object.entries(content)) {
    if (!Array.isArray(list) || list.length <= SHORT_LIST) continue;
    const item = await curingItem(content, option, list, complaint);
    if (item !== undefined)
      return ways.filter((way) => way.length === 1 || (way[0] === option && way[1] === item));
  }
  // An item that others need cures nothing; it is among those that have the words of the message.
  const items = mostQuoted(
    content,
    ways.filter((way) => way.length > 1).map((way) => ({ way })),
    message,
  );
  return [...options, ...items.slice(0, MOST_PLACES).map(({ way }) => way)];
}

/** The number of the item of a list without which all is right; undefined where no half of the list is the whole mistake. */
async function curingItem(
  content: object,
  option: string,
  list: readonly unknown[],
  complaint: Complaint,
): Promise<number | undefined> {
  const cures = async (from: number, to: number) =>
    (await complaint({ ...content, [option]: [...list.slice(0, from), ...list.slice(to)] })) === undefined;
  let [from, to] = [0, list.length];
  while (to - from > 1) {
    const middle = Math.floor((from + to) / 2);
    if (await cures(middle, to)) from = middle;
    else if (await cures(from, middle)) to = middle;
    else return undefined;
  }
  return from;
}

/**
 * The place whose value has the longest of the words that a message has, too; a shorter one may be there by chance. What a
 * message begins with, as in `WAN fibre: ...`, is the part of the file that it is about. Where it has no value of the file, it is
 * the option that it names.
 */
function named(content: object, ways: readonly Way[], message: string): Way | undefined {
  const [kind] = /^\w+/.exec(message) ?? [];
  const about = ways.filter(([option]) => option === kind?.toLowerCase());
  const optionNamed = () =>
    ways.findLast((way) => way.length === 1 && new RegExp(`--${way[0]}(?![\\w-])`).test(message));
  return quoting(content, about, message) ?? quoting(content, ways, message) ?? optionNamed();
}

function quoting(content: object, ways: readonly Way[], message: string): Way | undefined {
  const lengths = ways.map((way) => {
    const value = valueAt(content, way);
    if (typeof value !== 'string') return 0;
    const words = [value, ...value.split(/[,=+]/)].filter(
      (word) => word.length > 2 && message.includes(word),
    );
    return Math.max(0, ...words.map((word) => word.length));
  });
  const longest = lengths.reduce((highest, length) => Math.max(highest, length), 0);
  return longest === 0 ? undefined : ways[lengths.indexOf(longest)];
}

function valueAt(content: unknown, way: Way): unknown {
  return way.reduce<unknown>((at, key) => (at as Readonly<Record<string, unknown>>)[key], content);
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
    const text = JSON.stringify({ [String(way.at(-1))]: valueAt(content, way) });
    return quoted.filter((word) => text.includes(word)).length;
  });
  const most = counts.reduce((highest, count) => Math.max(highest, count), 1);
  return places.filter((_, i) => counts[i] === most);
}

/** The last of those whose way is longest. */
function deepest<Place extends { readonly way: Way }>(places: readonly Place[]): Place | undefined {
  const most = places.reduce((highest, { way }) => Math.max(highest, way.length), 0);
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
