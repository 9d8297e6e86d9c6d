import { readFileSync } from 'node:fs';
import { readInstalled } from '../system/installed.js';
import { rulesetFingerprint } from '../system/ruleset.js';

/**
 * A text that changes with the firewall's rules and the sysctls that `up` sets. It leaves out what `ip monitor` tells
 * of.
 * @param devices the WANs' devices
 * @param filter whether we have rules in the table filter
 */
export function rulesFingerprint(devices: readonly string[], filter: boolean): string {
  return [
    rulesetFingerprint(readInstalled()?.firewall.variant ?? 'nft', filter),
    ...devices.map(srcValidMark),
  ].join(' ');
}

function srcValidMark(device: string): string {
  try {
    return readFileSync(`/proc/sys/net/ipv4/conf/${device}/src_valid_mark`, 'utf8').trim();
  } catch {
    return '-'; // the device is gone
  }
}
