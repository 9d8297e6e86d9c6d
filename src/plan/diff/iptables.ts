import { ASKED_CHAIN } from '../asking.js';

/**
 * The difference between our part of an iptables table as it is and as it should be. Pure: text in, text out.
 *
 * Lines have the form of iptables-save. Ours are the chains WANMARK and WANMARK_*, and the jumps to them that carry the
 * comment `wanmark`. A chain whose text did not change is not touched, so its counters go on, and base chains are never
 * removed: taking one away drops every packet that waits in any queue (__nf_unregister_net_hook -> nf_queue_nf_hook_drop).
 */
export interface TableState {
  /** The current lines, as the kernel prints them. */
  readonly have: readonly string[];
  /**
   * The lines that we wrote when `have` was made; undefined when not known. The kernel prints rules in its own way, so
   * a text of ours can be compared only with another text of ours.
   */
  readonly asked: readonly string[] | undefined;
  /** The jumps that stand in a wrong place among those of others, each as `BASE CHAIN`. Undefined: none. */
  readonly toMove?: ReadonlySet<string>;
}

/** The lines between `*TABLE` and `COMMIT` for iptables-restore --noflush; none when nothing differs. */
export function tableSteps(
  table: string,
  { have, asked, toMove }: TableState,
  want: readonly string[],
): string[] {
  const now = parseTable(have);
  const before = parseTable(asked ?? []);
  const wanted = parseTable(want);
  const isSame = (chain: string) =>
    now.rules.has(chain) &&
    before.rules.has(chain) &&
    before.rules.get(chain)!.join('\n') === wanted.rules.get(chain)!.join('\n');

  const changed = [...wanted.rules.keys()].filter((chain) => !isSame(chain));
  const gone = [...now.rules.keys()].filter((chain) => !wanted.rules.has(chain));
  const anew = basesInOtherOrder(table, now, wanted);
  const isAnew = (key: string, { base }: Jump) => anew.has(base) || toMove?.has(key) === true;
  const dropped = [...now.jumps].filter(([key, jump]) => !wanted.jumps.has(key) || isAnew(key, jump));
  const made = [...wanted.jumps].filter(([key, jump]) => !now.jumps.has(key) || isAnew(key, jump));
  const first = made.filter(([key]) => !goesLast(table, key));
  const last = made.filter(([key]) => goesLast(table, key));
  return [
    // A line with a colon creates one of our chains, or empties it.
    ...changed.map((chain) => `:${chain} - [0:0]`),
    ...now.twice.map((line) => line.replace(/^-A/, '-D')),
    ...dropped.map(([, { line }]) => line.replace(/^-A/, '-D')),
    ...gone.map((chain) => `-F ${chain}`),
    ...changed.flatMap((chain) => wanted.rules.get(chain)!),
    ...first.toReversed().map(([, { line }]) => line.replace(/^-A (\S+)/, '-I $1 1')),
    ...last.map(([, { line }]) => line),
    ...gone.map((chain) => `-X ${chain}`),
  ];
}

/**
 * Jumps go first into their base chain, so that nobody's ACCEPT hides us, but last in nat POSTROUTING, where a user's
 * special rule should win, and where we ask after everybody else (asking.ts).
 * @param key of a jump
 */
function goesLast(table: string, key: string): boolean {
  return (table === 'nat' && key.startsWith('POSTROUTING ')) || key.endsWith(` ${ASKED_CHAIN}`);
}

interface Jump {
  readonly base: string;
  readonly line: string;
}

interface Table {
  /** Rules by chain, in the order of the chains. */
  readonly rules: Map<string, string[]>;
  /** The jumps by base and target, in the order of their lines; the last one where several are equal. */
  readonly jumps: Map<string, Jump>;
  /** Further copies of a jump. They are removed, since we never make the same jump twice. */
  readonly twice: string[];
}

function parseTable(lines: readonly string[]): Table {
  const table: Table = { rules: new Map(), jumps: new Map(), twice: [] };
  for (const line of lines) {
    const [head = '', chain = ''] = line.split(' ', 2);
    if (head.startsWith(':')) table.rules.set(head.slice(1), []);
    else if (chain.startsWith('WANMARK')) table.rules.get(chain)?.push(line);
    else {
      const key = `${chain} ${line.slice(line.lastIndexOf(' ') + 1)}`;
      if (table.jumps.has(key)) table.twice.push(line);
      table.jumps.set(key, { base: chain, line });
    }
  }
  return table;
}

/** The bases whose jumps are all made anew, because a new jump would not come to its place beside the present ones. */
function basesInOtherOrder(table: string, now: Table, wanted: Table): Set<string> {
  const targets = (jumps: Iterable<[string, Jump]>, base: string) =>
    [...jumps].filter(([, jump]) => jump.base === base).map(([key]) => key);
  const bases = new Set([...wanted.jumps.values()].map(({ base }) => base));
  return new Set(
    [...bases].filter((base) => {
      const order = targets(wanted.jumps, base);
      const kept = targets(now.jumps, base).filter((key) => wanted.jumps.has(key));
      const fresh = order.filter((key) => !now.jumps.has(key));
      const isLast = (key: string) => goesLast(table, key);
      const result = [...fresh.filter((key) => !isLast(key)), ...kept, ...fresh.filter(isLast)];
      return result.join('\n') !== order.join('\n');
    }),
  );
}
