import type { NamedSet } from '../config/set.js';
import { FAMILIES } from '../core/family.js';
import { kernelSetHead } from './rtnetlink/ipset.js';
import { ADDRESS_FAMILY } from './rtnetlink/messages.js';

/** The ipsets of others that rules may ask and that are there, as `NAME/FAMILY`. */
export function readIpsets(sets: readonly NamedSet[]): ReadonlySet<string> {
  return new Set(
    sets.flatMap(({ source }) => {
      if (source.kind !== 'external') return [];
      const { ipset } = source;
      const family = familyOf(ipset);
      return FAMILIES.filter((one) => ADDRESS_FAMILY[one] === family).map((one) => `${ipset}/${one}`);
    }),
  );
}

/** The address family of a set; undefined where it is not there, or has no addresses at its beginning. */
function familyOf(ipset: string): number | undefined {
  try {
    const head = kernelSetHead(ipset);
    return head !== undefined && /^(hash|bitmap):(net|ip)/.test(head.type) ? head.family : undefined;
  } catch (error) {
    // A kernel without ipset has none.
    if (error instanceof Error && 'errno' in error) return undefined;
    throw error;
  }
}
