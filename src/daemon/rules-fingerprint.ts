import type { NamedSet } from '../config/set.js';
import { readInstalled } from '../system/installed.js';
import { readIpsets } from '../system/ipsets.js';
import { rulesetFingerprint } from '../system/ruleset.js';
import { setFilesVersion } from '../system/set-files.js';
import { sourceCheckFingerprint } from '../system/source-check.js';

/**
 * A text that changes with the firewall's rules, the sysctls that `up` sets, those that it goes by, and what sets of the
 * user's are made of. It leaves out what
 * is told as news.
 * @param devices the WANs' devices
 * @param filter whether we have rules in the table filter
 * @param sets those that rules ask
 */
export function rulesFingerprint(
  devices: readonly string[],
  filter: boolean,
  sets: readonly NamedSet[],
): string {
  return [
    rulesetFingerprint(readInstalled()?.firewall.variant ?? 'nft', filter),
    sourceCheckFingerprint(devices),
    setFilesVersion(sets),
    ...readIpsets(sets),
  ].join(' ');
}
