import { createHash, timingSafeEqual } from 'node:crypto';
import { statSync } from 'node:fs';
import { UsageError } from '../errors.js';
import { readRegular, whyUnread } from '../regular-file.js';

/** A shorter one could be found by trying. */
const LEAST_CHARACTERS = 16;
const MOST_CHARACTERS = 1024;
const MOST_BYTES = 1 << 16;
/** Read or write for everybody. */
const OTHERS = 0o006;

/** The word that lets somebody look. It is not kept, only its digest. */
export class Token {
  readonly #digest: Buffer;

  /**
   * Reads the only line of a file.
   * @throws UsageError for a file that cannot be read, that everybody can read, or whose line is too short
   */
  static read(path: string): Token {
    let text: string;
    let mode: number;
    try {
      text = readRegular(path, { most: MOST_BYTES }).toString('utf8').trim();
      mode = statSync(path).mode;
    } catch (error) {
      throw new UsageError(`token-file "${path}" cannot be read: ${whyUnread(error)}`);
    }
    if ((mode & OTHERS) !== 0)
      throw new UsageError(`token-file "${path}" is open to every user of this machine; chmod o= it`);
    if (!/^[\x21-\x7e]+$/.test(text) || text.length < LEAST_CHARACTERS || text.length > MOST_CHARACTERS)
      throw new UsageError(
        `token-file "${path}" must have one line of ${LEAST_CHARACTERS} or more characters without blanks, as of openssl rand -hex 16`,
      );
    return new Token(text);
  }

  constructor(text: string) {
    this.#digest = digest(text);
  }

  /** Takes the same time whatever is given: digests have one length, and all of their bytes are compared. */
  matches(given: string): boolean {
    return timingSafeEqual(digest(given), this.#digest);
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
