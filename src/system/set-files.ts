import { readFileSync, type Stats, statSync } from 'node:fs';
import { type NamedSet, setNetwork } from '../config/set.js';
import { UsageError } from '../errors.js';

/** A few million networks fit in; more would keep everybody waiting. */
const MOST_BYTES = 64 << 20;

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
  const version = versionOf(path);
  const before = known.get(path);
  if (before?.version === version) return before.networks;
  const networks = read(name, path)
    .split('\n')
    .flatMap((line, i) => {
      const text = line.replace(/#.*/, '').trim();
      return text === '' ? [] : [setNetwork(`set "${name}": ${path} line ${i + 1}`, text)];
    });
  known.set(path, { version, networks });
  return networks;
}

function read(name: string, path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`set "${name}": cannot read ${path}: ${code}`, { cause: error });
  }
  if (bytes.length > MOST_BYTES)
    throw new UsageError(`set "${name}": ${path} has ${bytes.length} bytes; a set has at most ${MOST_BYTES}`);
  return bytes.toString('utf8');
}
