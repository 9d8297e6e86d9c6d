/**
 * What a terminal may obey or what changes how a line is read: control characters (C0, DEL, C1), format characters, of
 * which those for the direction of text (bidi) turn words around, and separators of lines. Also halves of surrogate pairs.
 */
const HARMFUL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
/** The same without C0, which JSON escapes in strings and uses between them. */
const HARMFUL_IN_JSON = /[\x7f-\x9f\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** Shows harmful characters as `\u009b`. For text of which a part comes from elsewhere: a server, a program, a file. */
export function printable(text: string): string {
  return text.replaceAll(HARMFUL, escaped);
}

/** The same for a text of several lines. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

/** The same for JSON, which stays JSON of the same meaning. */
export function printableJson(json: string): string {
  return json.replaceAll(HARMFUL_IN_JSON, escaped);
}

/** In the form of JSON, so a character beyond U+FFFF is two units. */
function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, i) => character.charCodeAt(i));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}
