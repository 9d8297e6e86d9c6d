import { readInstalled } from '../system/installed.js';
import { rulesetFingerprint } from '../system/ruleset.js';
import { sourceCheckFingerprint } from '../system/source-check.js';

/**
 * A text that changes with the firewall's rules, the sysctls that `up` sets, and those that it goes by. It leaves out what
 * is told as news.
 * @param devices the WANs' devices
 * @param filter whether we have rules in the table filter
 */
export function rulesFingerprint(devices: readonly string[], filter: boolean): string {
  return [
    rulesetFingerprint(readInstalled()?.firewall.variant ?? 'nft', filter),
    sourceCheckFingerprint(devices),
  ].join(' ');
}
