import { readFileSync } from 'node:fs';
import type { Family } from '../core/family.js';

const FILES: Readonly<Record<Family, string>> = {
  4: '/proc/net/ip_tables_names',
  6: '/proc/net/ip6_tables_names',
};

/**
 * Whether the kernel has tables of iptables-legacy in this network namespace. `iptables-legacy-save` goes by the same
 * file, so without them it prints nothing and need not be started. True where it cannot be known.
 */
export function hasLegacyTables(
  family: Family,
  read = (file: string) => readFileSync(file, 'utf8'),
): boolean {
  try {
    return read(FILES[family]) !== '';
  } catch (error) {
    // The kernel's module is not loaded.
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}
