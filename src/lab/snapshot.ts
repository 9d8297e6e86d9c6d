import type { Host } from './host.js';

const COMMANDS = (iptables: string) => `
${iptables}-save
echo '# IPv6'
${iptables.replace('iptables', 'ip6tables')}-save
for family in -4 -6; do
  ip $family rule
  ip $family route show table all
done
grep . /proc/sys/net/ipv4/conf/*/src_valid_mark /proc/sys/net/ipv4/conf/*/rp_filter
`;

/**
 * What a router does with packets: rules, routes and the settings that `wanmark up` touches, one per line. It leaves
 * out counters and comments; tables and chains that do nothing, since iptables makes a table by reading it; and the
 * kernel's own link-local addresses, each of which appears a second after its device (RFC 4862, duplicate address
 * detection).
 */
export async function snapshot(host: Host): Promise<string[]> {
  const { stdout } = await host.sh(COMMANDS(process.env.IPTABLES ?? 'iptables'));
  return stdout
    .split('\n')
    .filter(
      (line) =>
        line !== '' && !/^(# |\*|COMMIT$|:\S+ ACCEPT |local fe80::\S+ dev .* proto kernel )/.test(line),
    )
    .map((line) => line.replace(/^(:\S+ \S+) \[\d+:\d+\]$/, '$1'));
}

/** The lines that only one of two snapshots has, with `- ` or `+ ` in front; none when the snapshots are equal. */
export function differences(before: readonly string[], after: readonly string[]): string[] {
  if (before.join('\n') === after.join('\n')) return [];
  const gone = before.filter((line) => !after.includes(line)).map((line) => `- ${line}`);
  const added = after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`);
  return gone.length + added.length > 0 ? [...gone, ...added] : ['the same lines in another order'];
}
