import { readFileSync } from 'node:fs';
import { UsageError } from '../../errors.js';

/** User ids from one to another, both included. */
export interface UserRange {
  readonly low: number;
  readonly high: number;
}

const MOST = 0xffff_fffe;

/** Reads a user's name, an id or a range of ids. @throws UsageError */
export function parseUser(where: string, text: string): UserRange {
  const range = /^(\d{1,10})(?:-(\d{1,10}))?$/.exec(text);
  if (range === null) {
    const id = idOf(text);
    if (id !== undefined) return { low: id, high: id };
    throw new UsageError(
      `${where}: there is no user "${text}" in /etc/passwd; use a name, an id or a range of ids`,
    );
  }
  const low = Number(range[1]);
  const high = Number(range[2] ?? range[1]);
  if (low <= high && high <= MOST) return { low, high };
  throw new UsageError(`${where}: "${text}" must be an id, or LOW-HIGH`);
}

function idOf(name: string): number | undefined {
  let text: string;
  try {
    text = readFileSync('/etc/passwd', 'utf8');
  } catch {
    return undefined;
  }
  const entry = text
    .split('\n')
    .map((line) => line.split(':'))
    .find(([user]) => user === name);
  return entry === undefined ? undefined : Number(entry[2]);
}
