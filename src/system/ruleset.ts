import type { Family } from '../core/family.js';
import { loadAddon } from '../native.js';
import type { Variant } from './firewall.js';
import { OWN_TRANSACTIONS } from './own-transactions.js';

/** This folder's part of the addon. Each function throws an Error with `errno`. */
interface HostAddon {
  nftGeneration(): number;
  legacyTable(family: Family, name: string): [entries: number, bytes: number];
}

const TABLES = [
  [4, 'mangle'],
  [4, 'nat'],
  [6, 'mangle'],
  [6, 'nat'],
] as const;
const FILTER_TABLES = [
  [4, 'filter'],
  [6, 'filter'],
] as const;

/**
 * A text that changes whenever somebody else changes the firewall's rules: the generation of the nftables rules, which each
 * transaction takes one further (nf_tables_commit), or the sizes of the legacy tables. It takes microseconds; a part that cannot be read is constant.
 * @param filter whether to include the table filter; reading it would create it in the legacy variant
 */
export function rulesetFingerprint(variant: Variant, filter: boolean): string {
  const { nftGeneration, legacyTable } = loadAddon<HostAddon>();
  // What this process itself has written is left out.
  if (variant === 'nft') return or('-', () => String((nftGeneration() - OWN_TRANSACTIONS.done) >>> 0));
  const tables = filter ? [...TABLES, ...FILTER_TABLES] : TABLES;
  return tables.map(([family, name]) => or('-', () => legacyTable(family, name).join('/'))).join(' ');
}

function or(fallback: string, ask: () => string): string {
  try {
    return ask();
  } catch {
    return fallback;
  }
}
