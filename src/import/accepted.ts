import { UsageError } from '../errors.js';

/** What a reader of our configuration makes of a value; undefined where it refuses it. */
export function accepted<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof UsageError) return undefined;
    throw error;
  }
}
