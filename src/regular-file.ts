import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/** Opening a FIFO that nobody writes into would wait for ever, and reading some devices, too. */
const NO_WAIT = constants.O_RDONLY | constants.O_NONBLOCK;

export interface ReadOptions {
  /** Bytes of the largest file that is read. */
  readonly most: number;
  /** True: a link is not followed, but refused with ELOOP. */
  readonly noLink?: boolean;
  /** The users whose file it may be; default any. */
  readonly owners?: readonly (number | undefined)[];
}

/**
 * Reads a file that somebody else put there, in bounded time and memory whatever lies at the path.
 * @throws the error of the system, with its `code`; or one that says in a few words what is wrong with the file
 */
export function readRegular(path: string, { most, noLink = false, owners }: ReadOptions): Buffer {
  const fd = openSync(path, noLink ? NO_WAIT | constants.O_NOFOLLOW : NO_WAIT);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw new Error(stats.isDirectory() ? 'is a directory' : 'is not a regular file');
    if (owners !== undefined && !owners.includes(stats.uid)) throw new Error('belongs to somebody else');
    if (stats.size > most) throw new Error(`has ${stats.size} bytes, and may have ${most}`);
    return readTo(fd, most);
  } finally {
    closeSync(fd);
  }
}

/** Reads to the end; a file of /proc has no size, and another may grow meanwhile. */
function readTo(fd: number, most: number): Buffer {
  const parts: Buffer[] = [];
  for (let length = 0; length <= most; ) {
    const part = Buffer.allocUnsafe(Math.min(1 << 16, most + 1 - length));
    const got = readSync(fd, part);
    if (got === 0) return Buffer.concat(parts, length);
    parts.push(part.subarray(0, got));
    length += got;
  }
  throw new Error(`has more than ${most} bytes`);
}

/** Why {@link readRegular} failed, for a line that begins with `cannot read PATH: `. */
export function whyUnread(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? `it ${message}`;
}
