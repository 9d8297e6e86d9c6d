import { readFileSync } from 'node:fs';
import type { SourceCheck } from '../plan/evaluate/packet.js';

const CONF = '/proc/sys/net/ipv4/conf';

/**
 * The devices whose strict rp_filter would look up the way back without the packet's mark, if it were not for a
 * setting of the device's own. The kernel takes the larger rp_filter of `all` and the device, and either's
 * src_valid_mark (ip-sysctl.rst; IN_DEV_RPFILTER, IN_DEV_SRC_VMARK). A device that is not there has no filter.
 */
export function strictDevices(devices: Iterable<string>): Set<string> {
  if (readSetting('all', 'src_valid_mark') === '1') return new Set();
  const forAll = filterOf('all');
  return new Set([...devices].filter((device) => Math.max(forAll, filterOf(device)) === STRICT));
}

/** How the kernel checks what comes in by a device now. */
export function sourceCheck(device: string): SourceCheck {
  const filter = Math.max(filterOf('all'), filterOf(device));
  return {
    mode: filter === 0 ? 'off' : filter === STRICT ? 'strict' : 'loose',
    byMark: ['all', device].some((one) => readSetting(one, 'src_valid_mark') === '1'),
  };
}

const STRICT = 1;

function filterOf(device: string): number {
  return Number(readSetting(device, 'rp_filter') ?? 0);
}

/** The devices whose strict rp_filter looks up the way back without the packet's mark, their own settings considered. */
export function blindDevices(devices: Iterable<string>): string[] {
  return [...strictDevices(devices)].filter((device) => readSetting(device, 'src_valid_mark') !== '1');
}

/** A text that changes with the settings by which the kernel checks the sources of what comes in by these devices. */
export function sourceCheckFingerprint(devices: readonly string[]): string {
  const settings = ['all', ...devices].flatMap((device) => [
    readSetting(device, 'rp_filter') ?? '-',
    readSetting(device, 'src_valid_mark') ?? '-',
  ]);
  return settings.join(' ');
}

function readSetting(device: string, key: 'rp_filter' | 'src_valid_mark'): string | undefined {
  try {
    return readFileSync(`${CONF}/${device}/${key}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}
