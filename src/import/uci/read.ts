import { UsageError } from '../../errors.js';
import { Source } from '../source.js';
import { Section } from './section.js';
import { readStatements } from './words.js';

/** The keywords, also by their first letters, which libuci takes for the whole words. */
const KEYWORDS: ReadonlyMap<string, string> = new Map(
  ['package', 'config', 'option', 'list'].flatMap((word) => [
    [word, word] as const,
    [word[0]!, word] as const,
  ]),
);

/**
 * Reads a UCI file, or what `uci export` prints. Sections of one kind and name are one section.
 * @param file the path for messages
 * @throws UsageError for what is not UCI, with its line
 */
export function readUci(file: string, text: string): readonly Section[] {
  const source = new Source(file, text);
  const sections: Section[] = [];
  const byName = new Map<string, Section>();
  let pkg: string | undefined;
  let section: Section | undefined;
  for (const { words, line } of readStatements(file, text)) {
    const [first = '', ...rest] = words;
    const keyword = KEYWORDS.get(first);
    const wrong = (what: string) => new UsageError(`${file}:${line}: ${what}; this is not a UCI file`);
    if (keyword === undefined) throw wrong(`"${first}" is not a word of UCI`);
    const most = keyword === 'package' ? 1 : 2;
    const least = keyword === 'package' || keyword === 'config' ? 1 : 2;
    if (rest.length < least || rest.length > most)
      throw wrong(`${keyword} has ${rest.length} words behind it`);
    const [key = '', value = ''] = rest;
    if (keyword === 'package') pkg = key;
    else if (keyword === 'config') {
      const name = rest[1];
      const id = `${pkg ?? ''} ${key} ${name}`;
      section = name === undefined ? undefined : byName.get(id);
      if (section !== undefined) continue;
      section = new Section(pkg, key, name, source.at(line));
      sections.push(section);
      if (name !== undefined) byName.set(id, section);
    } else if (section === undefined) throw wrong(`this ${keyword} stands in no section`);
    else if (keyword === 'option') section.setOption(key, value, source.at(line));
    else section.addToList(key, value, source.at(line));
  }
  return sections;
}
