import { UsageError } from '../errors.js';
import type { LogConfig } from './log.js';
import { type PoliciesConfig, stickyPolicies } from './policies.js';
import type { RulesConfig } from './rules.js';
import type { StrategyConfig } from './strategy-options.js';
import type { TargetLists } from './targets.js';

/** What is to be known of a configuration for that. */
interface Asked extends Pick<TargetLists, 'marks' | 'services'> {
  readonly rules: RulesConfig;
  readonly policies: PoliciesConfig;
  readonly strategy: StrategyConfig;
  readonly log: LogConfig;
}

/**
 * Refuses what the engine `ahead` cannot do: what needs a look at a packet, or rules by anybody but nft.
 * @throws UsageError
 */
export function rejectUnfitForAhead(config: Asked): void {
  if (config.rules.engine !== 'ahead') return;
  const refusal = refusalOf(config);
  if (refusal !== undefined) throw new UsageError(`engine ahead ${refusal}`);
}

function refusalOf({ marks, services, rules, policies, strategy, log }: Asked): string | undefined {
  if (marks.length > 0) return 'writes into rules of ours, and high-mark is for rules of your own; use --wan';
  if (rules.firewall === 'iptables')
    return 'needs --backend nft: iptables has no place for choices made ahead';
  if (services.length > 0) return 'is for WANs alone; leave services out, or use --engine nfqueue';
  if (strategy.pairFamilies)
    return 'sees no packets, so it cannot tell hosts; leave pair-families out, or use --engine nfqueue';
  if (log.packet) return 'sees no packets; leave log-packet out, or use --engine nfqueue';
  const [sticky] = stickyPolicies(policies).keys();
  return sticky && `keeps no clients (policy ${sticky}); leave sticky out, or use --engine nfqueue`;
}
