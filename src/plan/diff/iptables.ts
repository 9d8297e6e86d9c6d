/**
 * The difference between our part of an iptables table as it is and as it should be. Pure: text in, text out.
 *
 * Lines have the form of iptables-save. Ours are the chains WANMARK and WANMARK_*, and the jumps to them that carry the
 * comment `wanmark`. A chain whose text did not change is not touched, so its counters go on, and base chains are never
 * removed: taking one away drops every packet that waits in any queue (__nf_unregister_net_hook -> nf_queue_nf_hook_drop).
 */
export interface TableState {
  /** What is there, in the kernel's words. */
  readonly have: readonly string[];
  /**
   * What was asked for when `have` came about, in ours; undefined: not known. The kernel writes rules in its own way, so a
   * text that we wrote can be compared only with a text that we wrote.
   */
  readonly asked: readonly string[] | undefined;
}

/** The lines between `*TABLE` and `COMMIT` for iptables-restore --noflush; none when nothing differs. */
export function tableSteps(table: string, { have, asked }: TableState, want: readonly string[]): string[] {
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
  const dropped = [...now.jumps].filter(([key, { base }]) => !wanted.jumps.has(key) || anew.has(base));
  const made = [...wanted.jumps].filter(([key, { base }]) => !now.jumps.has(key) || anew.has(base));
  const first = made.filter(([, { base }]) => !goesLast(table, base));
  const last = made.filter(([, { base }]) => goesLast(table, base));
  return [
    // A colon creates a chain of ours or empties it.
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

/** Jumps go first into their base chain, so that nobody's ACCEPT hides us, but last where a special rule should win. */
function goesLast(table: string, base: string): boolean {
  return table === 'nat' && base === 'POSTROUTING';
}

interface Jump {
  readonly base: string;
  readonly line: string;
}

interface Table {
  /** Rules by chain, in the order of the chains. */
  readonly rules: Map<string, string[]>;
  /** By base and target, in the order of the lines; of several equal ones the last. */
  readonly jumps: Map<string, Jump>;
  /** The same jump twice cannot come from us; the others of them. */
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

/** Bases in which a new jump beside those that are there would not come to stand where it should: all are made anew. */
function basesInOtherOrder(table: string, now: Table, wanted: Table): Set<string> {
  const targets = (jumps: Iterable<[string, Jump]>, base: string) =>
    [...jumps].filter(([, jump]) => jump.base === base).map(([key]) => key);
  const bases = new Set([...wanted.jumps.values()].map(({ base }) => base));
  return new Set(
    [...bases].filter((base) => {
      const order = targets(wanted.jumps, base);
      const kept = targets(now.jumps, base).filter((key) => wanted.jumps.has(key));
      const fresh = order.filter((key) => !now.jumps.has(key));
      const result = goesLast(table, base) ? [...kept, ...fresh] : [...fresh, ...kept];
      return result.join('\n') !== order.join('\n');
    }),
  );
}
