import { UsageError } from '../../errors.js';
import type { Findings } from '../findings.js';
import { Source, type SourceLine } from '../source.js';
import { ConfigNode } from './node.js';

/** A command, perhaps behind the prompt that it was copied with. */
const COMMAND = /^(?:[\w.@:~-]+[#$]\s+)?(set|delete|edit|copy|rename)\s+(.*)$/;
const COMMENT = /\/\*.*?\*\//g;
/** More words lead to nothing that either system has. */
const MOST_WORDS = 50;

/**
 * Reads a configuration in either notation: as `show configuration` and config.boot have it, with braces, or as `set`
 * commands.
 * @throws UsageError for braces that do not match, with the line
 */
export function readVyos(file: string, text: string, findings: Findings): ConfigNode {
  const lines = text.split(/\r?\n/);
  const isCommands = lines.some((line) => COMMAND.exec(line.trim())?.[1] === 'set');
  return isCommands
    ? readCommands(new Source(file, text), lines, findings)
    : readBraces(file, new Source(file, text), lines);
}

function readCommands(source: Source, lines: readonly string[], findings: Findings): ConfigNode {
  const root = new ConfigNode();
  lines.forEach((line, i) => {
    const [, verb, rest = ''] = COMMAND.exec(line.trim()) ?? [];
    if (verb === 'set') add(root, wordsOf(rest), source.at(i + 1));
    else if (verb !== undefined)
      findings.lost(source.at(i + 1), `"${verb}" is not followed; only "set" commands are read`);
  });
  return root;
}

function readBraces(file: string, source: Source, lines: readonly string[]): ConfigNode {
  const root = new ConfigNode();
  /** The words of each block that is open, outermost first, with its line. */
  const open: { words: readonly string[]; line: number }[] = [];
  const path = () => open.flatMap(({ words }) => words);
  let inComment = false;
  lines.forEach((raw, i) => {
    let line = raw.replaceAll(COMMENT, '').trim();
    if (inComment) {
      if (!line.includes('*/')) return;
      line = line.slice(line.indexOf('*/') + 2).trim();
    }
    const begins = line.indexOf('/*');
    inComment = begins >= 0;
    if (inComment) line = line.slice(0, begins).trim();
    if (line === '' || line.startsWith('//') || line.startsWith('#')) return;
    if (line === '}') {
      if (open.pop() === undefined) throw wrongSource(file, i + 1, 'this } closes nothing');
      return;
    }
    if (line.endsWith('{')) {
      open.push({ words: wordsOf(line.slice(0, -1)), line: i + 1 });
      add(root, path(), source.at(i + 1));
    } else add(root, [...path(), ...wordsOf(line)], source.at(i + 1));
  });
  const [first] = open;
  if (first !== undefined) throw wrongSource(file, first.line, 'this { is never closed');
  return root;
}

function add(root: ConfigNode, words: readonly string[], at: SourceLine): void {
  if (words.length > MOST_WORDS)
    throw wrongSource(at.file, at.line, `more than ${MOST_WORDS} words lead here`);
  root.add(words, at);
}

function wrongSource(file: string, line: number, what: string): UsageError {
  return new UsageError(`${file}:${line}: ${what}; this is not a configuration of VyOS or EdgeOS`);
}

/** Words with spaces are in quotes; the rest of a line without its end is one word. */
function wordsOf(text: string): string[] {
  const words = text.matchAll(/'([^']*)'?|"((?:[^"\\]|\\.)*)"?|(\S+)/g);
  return [...words].map(
    ([, single, double, plain]) => single ?? double?.replaceAll(/\\(.)/g, '$1') ?? plain!,
  );
}
