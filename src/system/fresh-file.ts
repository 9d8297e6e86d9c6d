import { rmSync } from 'node:fs';

/**
 * The file that is written in place of another one, to be renamed once it is whole. What lies there is removed, such as what
 * a killed process left: a link would have us write elsewhere, and a FIFO wait for a reader, for ever. It is to be opened
 * with {@link FRESH}. @throws Error where a folder lies there
 */
export function freshPath(path: string): string {
  const fresh = `${path}.new`;
  rmSync(fresh, { force: true });
  return fresh;
}

/** Fails where something has come there meanwhile. */
export const FRESH = 'wx';
