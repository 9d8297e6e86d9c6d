import { type Stats, statSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { type NamedSet, setNetwork } from '../config/set.js';
import { UsageError } from '../errors.js';
import { readRegular, whyUnread } from '../regular-file.js';

/** A few million networks fit in; more would keep everybody waiting. */
const MOST_BYTES = 64 << 20;

/** No network is longer; a line of a file that is none may be. */
const LONGEST = 64;

/** How many lines are read at once, in some milliseconds. */
const LINES = 500;

interface Known {
  readonly version: string;
  readonly networks: readonly string[];
}

/** What was read last, by path: a file of 50,000 networks takes a tenth of a second to read, and few looks find it changed. */
const known = new Map<string, Known>();

/** The networks of the sets that are files. */
export interface SetFiles {
  /** By the sets' names. One that was never read whole is missing. */
  readonly networks: ReadonlyMap<string, readonly string[]>;
  /** Why a file could not be read, a line each; the networks are those that it had before. */
  readonly faults: readonly string[];
}

/** Reads the sets that are files. */
export function readSetFiles(sets: readonly NamedSet[]): SetFiles {
  const networks = new Map<string, readonly string[]>();
  const faults: string[] = [];
  for (const { name, source } of sets) {
    if (source.kind !== 'file') continue;
    try {
      networks.set(name, networksIn(name, source.path));
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      faults.push(error.message);
      const before = known.get(source.path)?.networks;
      if (before !== undefined) networks.set(name, before);
    }
  }
  return { networks, faults };
}

/**
 * Reads what has changed of the files in parts, so that packets need not wait; what {@link readSetFiles} then asks for is
 * known. A file that is wrong is left to it.
 */
export async function readSetFilesLater(sets: readonly NamedSet[]): Promise<void> {
  for (const { name, source } of sets) {
    if (source.kind !== 'file') continue;
    try {
      for (const _ of reading(name, source.path)) await setImmediate();
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
    }
  }
}

/** @throws UsageError for a file that cannot be read, with the line that is wrong */
export function checkSetFiles(sets: readonly NamedSet[]): void {
  for (const { name, source } of sets) if (source.kind === 'file') networksIn(name, source.path);
}

/** A text that changes when one of the files does. */
export function setFilesVersion(sets: readonly NamedSet[]): string {
  return sets.flatMap(({ source }) => (source.kind === 'file' ? [versionOf(source.path)] : [])).join(' ');
}

function versionOf(path: string): string {
  try {
    return textOf(statSync(path));
  } catch {
    return '-'; // it is not there
  }
}

function textOf({ dev, ino, size, mtimeMs }: Stats): string {
  return [dev, ino, size, mtimeMs].join('-');
}

function networksIn(name: string, path: string): readonly string[] {
  const parts = reading(name, path);
  for (;;) {
    const { done, value } = parts.next();
    if (done) return value;
  }
}

/** Reads a file in parts, unless it is the one that is known. @throws UsageError */
function* reading(name: string, path: string): Generator<undefined, readonly string[], undefined> {
  const version = versionOf(path);
  const before = known.get(path);
  if (before?.version === version) return before.networks;
  const lines = read(name, path).split('\n');
  const networks: string[] = [];
  for (let i = 0; i < lines.length; i++) {
    if (i % LINES === LINES - 1) yield;
    const text = lines[i]!.replace(/#.*/, '').trim();
    if (text === '') continue;
    const where = `set "${name}": ${path} line ${i + 1}`;
    if (text.length > LONGEST)
      throw new UsageError(`${where}: "${text.slice(0, LONGEST)}..." is not an address or a network`);
    networks.push(setNetwork(where, text));
  }
  known.set(path, { version, networks });
  return networks;
}

function read(name: string, path: string): string {
  try {
    return readRegular(path, { most: MOST_BYTES }).toString('utf8');
  } catch (error) {
    throw new UsageError(`set "${name}": cannot read ${path}: ${whyUnread(error)}`, { cause: error });
  }
}
