import { type Run, run as runCommand } from './run.js';

/** The queues that one rule hands packets to, both ends included. */
export interface QueueRange {
  readonly first: number;
  readonly last: number;
}

/**
 * The queues that rules hand packets to, one range for each rule; undefined when the rules cannot be read. Reads
 * iptables in both variants and both families, and native nftables rules.
 */
export async function fedQueues(run: Run = runCommand): Promise<readonly QueueRange[] | undefined> {
  const commands: [string, ...string[]][] = [
    ...['iptables', 'ip6tables', 'iptables-legacy', 'ip6tables-legacy'].map((name): [string] => [
      `${name}-save`,
    ]),
    ['nft', 'list', 'ruleset'],
  ];
  const fed: QueueRange[] = [];
  let read = false;
  for (const argv of commands) {
    const { code, stdout } = await run(argv);
    read ||= code === 0;
    for (const line of stdout.split('\n')) {
      const range = feeds(line);
      if (range !== undefined) fed.push(range);
    }
  }
  return read ? fed : undefined;
}

/** The queues that one line of `iptables-save` or `nft list ruleset` feeds. */
export function feeds(line: string): QueueRange | undefined {
  const iptables = /-j NFQUEUE\b.*?--queue-(?:num|balance) (\d+)(?::(\d+))?/.exec(line);
  // nft writes `queue to 0` or `queue flags bypass to 0-3`; older versions write `queue num 0 bypass`.
  const range = iptables ?? /\bqueue\b.*?\b(?:to|num) (\d+)(?:-(\d+))?/.exec(line);
  if (range !== null) return { first: Number(range[1]), last: Number(range[2] ?? range[1]) };
  // Some versions of iptables-save leave out queue number 0.
  return /-j NFQUEUE\b/.test(line) && !line.includes('--queue-') ? { first: 0, last: 0 } : undefined;
}
