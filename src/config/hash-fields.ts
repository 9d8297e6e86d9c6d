import { HASH_FIELDS, type HashField } from '../core/flow-hash.js';
import { UsageError } from '../errors.js';
import { suggestion } from './nearest.js';

/** What begins the text of a hash: `hash:src,sport`. */
export const HASH = 'hash:';

/**
 * The fields of `hash:src,sport`; `+` may stand for a comma.
 * @param what names the option in a message
 * @throws UsageError
 */
export function hashFields(what: string, text: string): readonly HashField[] {
  const words = text.slice(HASH.length).split(/[,+]/);
  return words.map((word, i) => {
    const field = HASH_FIELDS.find((one) => one === word);
    if (field === undefined) {
      throw new UsageError(
        `${what} "${text}": "${word}" is not a field of a packet${suggestion(word, HASH_FIELDS)}`,
      );
    }
    if (words.indexOf(word) !== i) throw new UsageError(`${what} "${text}" has ${word} twice; give it once`);
    return field;
  });
}
