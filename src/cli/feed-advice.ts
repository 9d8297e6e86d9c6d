import type { Config, PlanConfig } from '../config/config.js';
import { ruleFlags } from '../config/flags.js';
import { hex } from '../core/mark.js';
import type { QueueRange } from '../system/feed.js';

/** The command that makes the rules for a configuration; with bare marks, a rule to begin with. */
export function feedCommand(config: PlanConfig & Pick<Config, 'marks'>): string {
  if (config.marks.length === 0) return `wanmark up ${ruleFlags(config)}`;
  const { num, count } = config.queues;
  const target = count === 1 ? `--queue-num ${num}` : `--queue-balance ${num}:${num + count - 1}`;
  return (
    `iptables -t mangle -A PREROUTING -m conntrack --ctstate NEW -m mark --mark 0/${hex(config.fields.wans.mask)} ` +
    `-j NFQUEUE ${target} --queue-bypass`
  );
}

/** Says where the daemon's queues and the rules differ, in at most one line for the WANs and one for the services. */
export function feedAdvice(
  {
    targets,
    services,
    queues,
  }: Pick<Config, 'targets' | 'services'> & {
    readonly queues: Pick<Config['queues'], 'num' | 'count' | 'services'>;
  },
  fed: readonly QueueRange[],
): string[] {
  const { num, count, services: serviceQueue } = queues;
  return [
    ...(targets.length > 0 ? [disagreement({ first: num, last: num + count - 1 }, fed)] : []),
    ...(services.length > 0 ? [disagreement({ first: serviceQueue, last: serviceQueue }, fed)] : []),
  ].filter((line) => line !== undefined);
}

function disagreement(own: QueueRange, fed: readonly QueueRange[]): string | undefined {
  const hungry = numbers(own).filter((num) => !fed.some((range) => holds(range, num)));
  if (hungry.length === own.last - own.first + 1)
    return `no rule feeds ${list(hungry)}, so nothing will be marked`;
  // A rule spreads its flows over its whole range. A range without any of our queues may be another program's.
  const wide = fed.filter(
    (range) =>
      numbers(own).some((num) => holds(range, num)) && !numbers(range).every((num) => holds(own, num)),
  );
  const shared = new Set(wide.map((range) => list(numbers(range))));
  const lines = [
    ...[...shared].map(
      (range) => `rules spread flows over ${range}, but this daemon decides only ${list(numbers(own))}`,
    ),
    ...(hungry.length > 0 ? [`no rule feeds ${list(hungry)}`] : []),
  ];
  const effect =
    wide.length > 0 ? 'the kernel chooses for the rest, so shares are not exact' : 'the others get all';
  return lines.length > 0 ? `${lines.join(', and ')}: ${effect}` : undefined;
}

function holds({ first, last }: QueueRange, num: number): boolean {
  return num >= first && num <= last;
}

function numbers({ first, last }: QueueRange): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

function list(nums: readonly number[]): string {
  const gaps = nums.at(-1)! - nums[0]! >= nums.length;
  if (gaps) return `queues ${nums.join(', ')}`;
  return nums.length === 1 ? `queue ${nums[0]}` : `queues ${nums[0]} to ${nums.at(-1)}`;
}
