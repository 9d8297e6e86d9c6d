import { readRegular } from '../regular-file.js';

/** What we write ourselves is some kilobytes; the memory of many thousand clients is some megabytes. */
const MOST_BYTES = 256 << 20;

/** The text of a file that belongs to root or us, and is no link. @throws Error with `code` where there is none */
export function readOwn(path: string): string {
  try {
    const owners = [0, process.geteuid?.()];
    return readRegular(path, { most: MOST_BYTES, noLink: true, owners }).toString('utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ELOOP') throw new Error(`${path} is not a regular file; move it away`);
    if (code === undefined) throw new Error(`${path} ${message}; move it away`);
    throw error;
  }
}
