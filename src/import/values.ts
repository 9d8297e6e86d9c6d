import { parsePortValue, parseProtocol } from '../config/match/ports.js';
import { accepted } from './accepted.js';
import type { Value } from './draft.js';
import { CannotSay } from './findings.js';
import type { SourceLine } from './source.js';

/** A single value without its list. */
export function oneOrMore(list: readonly (string | number)[]): Value {
  return list.length === 1 ? list[0]! : list;
}

/** The parts of texts that are joined by commas, each once. */
export function commaParts(texts: readonly string[]): readonly string[] {
  return [...new Set(texts.flatMap((text) => text.split(',')).filter((text) => text !== ''))];
}

/**
 * Ports as we write them: `80`, `1000-2000`, or the name of a service; perhaps with `!` before each.
 * @param title what they are for, in messages
 * @throws CannotSay
 */
export function portValues(ports: readonly string[], at: SourceLine, title: string): Value {
  const values = ports.map((port) => port.replace(':', '-'));
  const wrong = values.find(
    (port) => accepted(() => parsePortValue('', port.replace(/^!/, ''))) === undefined,
  );
  if (wrong !== undefined) throw new CannotSay(at, `"${wrong}" is not a port; ${title} is left out`);
  return oneOrMore(values.map((port) => (/^\d+$/.test(port) ? Number(port) : port)));
}

/** A protocol as we write it, perhaps with `!` before it. @throws CannotSay */
export function protocolValue(proto: string, at: SourceLine, title: string): string | number {
  if (accepted(() => parseProtocol('', proto.replace(/^!/, ''))) === undefined)
    throw new CannotSay(at, `protocol "${proto}" is not known by its name; ${title} is left out`);
  return /^\d+$/.test(proto) ? Number(proto) : proto;
}
