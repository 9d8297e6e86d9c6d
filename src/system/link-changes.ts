import { readFileSync } from 'node:fs';
import type { Facts } from '../plan/facts.js';

/**
 * Devices that went and came back since `before`, or lost their carrier, as one does that is switched off: the kernel then
 * drops what belongs to them. The news of that may come later than a look at the rules.
 */
export function changedDevices(facts: Facts, before: ReadonlyMap<string, string> = new Map()): string[] {
  return [...before].flatMap(([name, link]) => (linkOf(name, facts) === link ? [] : [name]));
}

/** The kernel's number of a device and how often its carrier has changed; 0 for what cannot be known. */
export function linkOf(name: string, { devices }: Facts): string {
  return `${devices.get(name)?.index ?? 0}/${carrierChanges(name)}`;
}

/** See sysfs-class-net of the kernel's ABI documentation, since Linux 3.15. */
function carrierChanges(device: string): number {
  try {
    return Number(readFileSync(`/sys/class/net/${device}/carrier_changes`, 'utf8'));
  } catch {
    return 0;
  }
}
