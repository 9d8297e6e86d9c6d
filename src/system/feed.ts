import { type Run, run as runCommand } from './run.js';

/**
 * Whether some rule hands packets to queue `num`; undefined when the rules cannot be read. Looks at iptables in
 * both variants and both families, and at native nftables rules.
 */
export async function isFed(num: number, run: Run = runCommand): Promise<boolean | undefined> {
  const commands: [string, ...string[]][] = [
    ...['iptables', 'ip6tables', 'iptables-legacy', 'ip6tables-legacy'].map((name): [string] => [
      `${name}-save`,
    ]),
    ['nft', 'list', 'ruleset'],
  ];
  let read = false;
  for (const argv of commands) {
    const { code, stdout } = await run(argv);
    read ||= code === 0;
    if (stdout.split('\n').some((line) => feeds(line, num))) return true;
  }
  return read ? false : undefined;
}

/** Whether one line of `iptables-save` or `nft list ruleset` feeds queue `num`, alone or in a range. */
export function feeds(line: string, num: number): boolean {
  const iptables = /-j NFQUEUE\b.*?--queue-(?:num|balance) (\d+)(?::(\d+))?/.exec(line);
  // nft: `queue to 0`, `queue flags bypass to 0-3`, in older versions `queue num 0 bypass`.
  const range = iptables ?? /\bqueue\b.*?\b(?:to|num) (\d+)(?:-(\d+))?/.exec(line);
  if (range !== null) return num >= Number(range[1]) && num <= Number(range[2] ?? range[1]);
  // iptables-save leaves the default queue number out in some versions.
  return /-j NFQUEUE\b/.test(line) && !line.includes('--queue-') && num === 0;
}
