import { setImmediate } from 'node:timers/promises';
import { align, forEachMessageOf } from './messages.js';

/** How many messages are parsed at once: a millisecond's work, for which packets wait. */
const MOST_AT_ONCE = 500;

/**
 * What `parse` makes of all messages, a part of them at a time, so that thousands of them do not hold the event loop
 * up.
 */
export async function parseInSlices<T>(
  messages: Uint8Array,
  parse: (messages: Uint8Array) => readonly T[],
): Promise<T[]> {
  const parsed: T[] = [];
  for (const slice of slicesOf(messages, MOST_AT_ONCE)) {
    if (parsed.length > 0) await setImmediate();
    for (const one of parse(slice)) parsed.push(one);
  }
  return parsed;
}

/** The messages in parts of at most so many; what is behind the last whole message is left out. */
export function slicesOf(messages: Uint8Array, most: number): Uint8Array[] {
  const slices: Uint8Array[] = [];
  let start = 0;
  let last = 0;
  let count = 0;
  forEachMessageOf(messages, (_, __, ___, end) => {
    last = align(end);
    if (++count < most) return;
    slices.push(messages.subarray(start, last));
    start = last;
    count = 0;
  });
  if (count > 0) slices.push(messages.subarray(start, last));
  return slices;
}
