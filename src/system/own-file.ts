import { lstatSync, readFileSync } from 'node:fs';

/** The text of a file that belongs to root or us, and is no link. @throws Error with `code` where there is none */
export function readOwn(path: string): string {
  const stats = lstatSync(path);
  if (!stats.isFile()) throw new Error(`${path} is not a regular file; move it away`);
  if (stats.uid !== 0 && stats.uid !== process.geteuid?.())
    throw new Error(`${path} belongs to somebody else; move it away`);
  return readFileSync(path, 'utf8');
}
