import { UsageError } from '../errors.js';
import { rejectOthers } from './query.js';

/** The flags of `wanmark explain` that a question may have. */
const FLAGS = ['proto', 'in', 'mac', 'mark', 'uid', 'dscp'] as const;
/** An address with a port, a device or a number is shorter. */
const MOST_CHARACTERS = 80;

/** A connection about which somebody asks; what its parts have to be, `wanmark explain` itself says. */
export interface ExplainQuery {
  readonly src: string;
  readonly dst: string;
  /** The values of flags, by their names. */
  readonly flags: Readonly<Partial<Record<(typeof FLAGS)[number], string>>>;
}

/** @throws UsageError */
export function parseExplainQuery(query: URLSearchParams): ExplainQuery {
  rejectOthers(query, ['src', 'dst', ...FLAGS]);
  const flags = FLAGS.flatMap((name) => {
    const value = query.get(name);
    return value === null ? [] : [[name, bounded(name, value)]];
  });
  return { src: needed(query, 'src'), dst: needed(query, 'dst'), flags: Object.fromEntries(flags) };
}

function needed(query: URLSearchParams, name: string): string {
  const value = query.get(name) ?? '';
  if (value === '') throw new UsageError(`${name} is missing; add an address, such as ${name}=192.0.2.1:443`);
  // The command would take it for a flag of its own, such as --config, which reads a file as the daemon's user.
  if (value.startsWith('-')) throw new UsageError(`${name} "${bounded(name, value)}" is not an address`);
  return bounded(name, value);
}

function bounded(name: string, value: string): string {
  if (value.length <= MOST_CHARACTERS) return value;
  throw new UsageError(`${name} must have ${MOST_CHARACTERS} characters at most`);
}
