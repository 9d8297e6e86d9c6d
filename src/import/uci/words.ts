import { UsageError } from '../../errors.js';

/** A command of a UCI file: its words, without their quotes. */
export interface Statement {
  readonly words: readonly string[];
  /** Where it begins, counted from 1. */
  readonly line: number;
}

/**
 * Splits a text as libuci's file.c does: words in single or double quotes or none, a backslash before what is meant
 * literally (not within single quotes), a comment from a `#` that begins a word. A quoted word may go over several lines.
 * @throws UsageError for a quote without an end
 */
export function readStatements(file: string, text: string): readonly Statement[] {
  const statements: Statement[] = [];
  let words: string[] = [];
  /** The word that is being read; undefined between words. */
  let word: string | undefined;
  let quote: '"' | "'" | undefined;
  let quoteLine = 0;
  let start = 1;
  let line = 1;
  let inComment = false;
  const endWord = () => {
    if (word !== undefined) words.push(word);
    word = undefined;
  };
  for (let i = 0; i <= text.length; i++) {
    const c = text[i] ?? '\n';
    if (quote !== undefined) {
      if (i === text.length)
        throw new UsageError(`${file}:${quoteLine}: the quote ${quote} has no end; this is not a UCI file`);
      if (c === quote) quote = undefined;
      else if (c === '\\' && quote === '"') word += text[++i] ?? '';
      else word += c;
    } else if (c === '\n') {
      endWord();
      if (words.length > 0) statements.push({ words, line: start });
      words = [];
      inComment = false;
      start = line + 1;
    } else if (inComment) continue;
    else if (/\s/.test(c)) endWord();
    else if (c === '#' && word === undefined) inComment = true;
    else if (c === '"' || c === "'") {
      quote = c;
      quoteLine = line;
      word ??= '';
    } else word = (word ?? '') + (c === '\\' ? (text[++i] ?? '') : c);
    if (text[i] === '\n') line++;
  }
  return statements;
}
