import type { Bench } from '../bench.js';
import { ratioOf } from '../cost.js';
import { DESTINATIONS } from '../flows.js';
import { LIMIT } from '../size.js';

const POLICIES = 10;
const RULES = 100;

/** The policies: by turns of two WANs, so that one WAN of three is in each policy not used. */
function policyFlags(): string[] {
  return Array.from({ length: POLICIES }, (_, i) => `p${i + 1},use=wan${1 + (i % 2)}+wan3`);
}

/**
 * Rules of the kinds that real configurations have, kind by kind as people write them: hosts, networks, TCP ports, UDP
 * ports. Only the last one is for what the benchmark sends, so each first packet meets all of its protocol.
 */
function ruleFlags(): string[] {
  const kinds: readonly ((i: number) => string)[] = [
    (i) => `from=192.168.9.${i}`,
    (i) => `to=198.18.${i}.0/24`,
    (i) => `proto=tcp,dport=${20_000 + 10 * i}-${20_005 + 10 * i}`,
    (i) => `proto=udp,dport=${61_101 + i}`,
  ];
  const each = (RULES - 1) / kinds.length;
  return [
    ...Array.from(
      { length: RULES - 1 },
      (_, i) => `p${1 + (i % (POLICIES - 1))},${kinds[Math.floor(i / each)]!(i)}`,
    ),
    `p${POLICIES},proto=udp,to=${DESTINATIONS}`,
  ];
}

/** Measures what many rules and policies cost the whole machine. */
export async function policies(bench: Bench): Promise<void> {
  const { report, own, size } = bench;
  const rate = size.rates[0]!;
  const args = [
    ...policyFlags().flatMap((one) => ['--policy', one]),
    ...ruleFlags().flatMap((one) => ['--rule', one]),
  ];
  const ruled = bench.ours(`${RULES} rules, ${POLICIES} policies`, ...args);
  report.title(`Policies, at ${rate}/s`);
  const results = await bench.costs([own, ruled], rate);
  bench.costTable(results);
  const costs = results.get(ruled)!;
  const stray = costs.map(({ picks }) => picks![0]!);
  report.exact('decisions for a WAN that is not in the policy', Math.max(...stray), 0);
  report.held(
    'CPU of the machine against no rules',
    ratioOf('machineUs', costs, results.get(own)!),
    LIMIT.policies,
  );
}
