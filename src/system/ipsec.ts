import type { Ipsec } from '../plan/facts.js';
import type { Run } from './run.js';

/** A rule as ours have it, which is not there. The table is one that ours make anyhow. */
const RULE = '-w 10 -t mangle -C POSTROUTING -m policy --dir out --pol ipsec -j RETURN'.split(' ');

/**
 * How the machine stands to IPsec, for the programs that the rules are made with. Many small kernels lack xt_policy, and
 * OpenWrt keeps iptables' part of it in a package of its own (iptables-mod-ipsec).
 */
export async function readIpsec(programs: readonly string[], run: Run): Promise<Ipsec> {
  const matched = await Promise.all(programs.map((program) => matches(program, run)));
  return ipsecOf(matched.every(Boolean), run);
}

/** How the machine stands to IPsec. @param matched whether rules can ask for it */
export async function ipsecOf(matched: boolean, run: Run): Promise<Ipsec> {
  if (matched) return 'matched';
  const policies = await Promise.all(
    (['-4', '-6'] as const).map((family) => run(['ip', family, 'xfrm', 'policy'])),
  );
  return policies.some(({ code, stdout }) => code === 0 && stdout.trim() !== '') ? 'unmatched' : 'unused';
}

/**
 * Whether a program and the kernel know the match. Either variant ends with 1 where the rule alone is missing, and with 2
 * where the program's part of the match is. Where the kernel's part is, both warn, and go on as if it were there (compatible_revision).
 */
async function matches(program: string, run: Run): Promise<boolean> {
  const { code, stderr } = await run([program, ...RULE]);
  return code <= 1 && !stderr.includes('not supported');
}
