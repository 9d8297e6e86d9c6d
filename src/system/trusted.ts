import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { dirname, join } from 'node:path';

const STICKY = 0o1000;
/** The bits of the group and of others. An access list for further users shows in those of the group (acl(5)). */
const WRITE_OF_OTHERS = 0o022;
/** As many as the kernel follows itself (MAXSYMLINKS). */
const MOST_LINKS = 40;

/** The part of a path that strangers can change. */
export interface Doubt {
  /** The file, directory or link. */
  readonly part: string;
  /** Says what is wrong with a file, such as `others can write /srv/hooks (mode 0777)`. */
  readonly why: string;
  /** The command that mends it. */
  readonly remedy: string;
}

/**
 * Finds out whether somebody else can decide what a file contains: by writing it, or by putting another one, or another
 * directory or link on its way, into its place. What runs it has more rights than they have.
 * @param path absolute
 * @param owners the users who may, besides root
 * @returns undefined where nobody can
 * @throws the error of lstat(2)
 */
export function doubtAbout(path: string, owners: readonly number[]): Doubt | undefined {
  const root = lstatSync('/');
  // In a user namespace without a root of its own, the machine's root has another number, which that of / is.
  const trusted = new Set([0, root.uid, ...owners]);
  const rest = partsOf(path);
  let links = 0;
  let at = '/';
  let found = doubtOf(at, root, trusted);
  while (found === undefined && rest.length > 0) {
    const next = rest.shift()!;
    if (next === '..') {
      at = dirname(at);
      continue;
    }
    const part = join(at, next);
    const stats = lstatSync(part);
    found = doubtOf(part, stats, trusted);
    if (!stats.isSymbolicLink()) at = part;
    else if (++links > MOST_LINKS)
      found = { part, why: `${part} is a link in a circle`, remedy: `rm ${part}` };
    else {
      const to = readlinkSync(part);
      rest.unshift(...partsOf(to));
      if (to.startsWith('/')) at = '/';
    }
  }
  return found;
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

function doubtOf(part: string, stats: Stats, trusted: ReadonlySet<number>): Doubt | undefined {
  if (!trusted.has(stats.uid)) {
    return { part, why: `${part} belongs to user ${stats.uid}`, remedy: `chown -h root ${part}` };
  }
  // The mode of a link means nothing; who may replace it, its directory says.
  if (stats.isSymbolicLink() || (stats.mode & WRITE_OF_OTHERS) === 0) return undefined;
  // In a directory like /tmp, nobody can replace what is somebody else's.
  if (stats.isDirectory() && (stats.mode & STICKY) !== 0) return undefined;
  const mode = (stats.mode & 0o7777).toString(8).padStart(4, '0');
  return { part, why: `others can write ${part} (mode ${mode})`, remedy: `chmod go-w ${part}` };
}
