import { TABLE } from '../plan/render/nft/names.js';
import type { Run } from './run.js';

/** What our nft table counts. */
export interface NftCounters {
  /** Bytes by the name of a counter. */
  readonly bytes: ReadonlyMap<string, number>;
  /** The rules of the configuration, each of their lines with the name of its chain. */
  readonly rules: readonly {
    readonly chain: string;
    readonly rule: number;
    readonly packets: number;
    readonly bytes: number;
  }[];
}

/** A rule of a policy with its counters, as nft prints it; every line of one rule has its number. */
const COUNTED = /^\s*.*\bcounter packets (\d+) bytes (\d+) .*comment "rule (\d+)"$/;

/** Reads them; undefined where the table cannot be read. It starts a program, which takes some milliseconds. */
export async function readNftCounters(run: Run): Promise<NftCounters | undefined> {
  const { code, stdout } = await run([
    'nft',
    '-t',
    'list',
    'table',
    ...(TABLE.split(' ') as [string, string]),
  ]);
  return code === 0 ? countersIn(stdout) : undefined;
}

/** The counters in the output of `nft list table`. */
export function countersIn(text: string): NftCounters {
  const bytes = new Map<string, number>();
  const rules: NftCounters['rules'][number][] = [];
  let [kind, name] = ['', ''];
  for (const line of text.split('\n')) {
    const head = /^\t([a-z]+) (\S+) \{/.exec(line);
    if (head !== null) [kind, name] = [head[1]!, head[2]!];
    else if (kind === 'counter') {
      const count = /^\s*packets \d+ bytes (\d+)/.exec(line)?.[1];
      if (count !== undefined) bytes.set(name, Number(count));
    } else if (kind === 'chain') {
      const [, packets, size, rule] = COUNTED.exec(line) ?? [];
      if (rule !== undefined)
        rules.push({ chain: name, rule: Number(rule), packets: Number(packets), bytes: Number(size) });
    }
  }
  return { bytes, rules };
}
