import type { Family } from '../../../core/family.js';
import type { Hook, MarkBits, Stage } from '../../plan.js';

/** The table in which everything of ours is. It belongs to us alone, whatever is in it. */
export const TABLE = 'inet wanmark';

/** The name of a chain of the plan: `mangle4.WANMARK_NEW`. */
export function chainName(family: Family, stage: Stage, chain: string): string {
  return `${stage}${family}.${chain}`;
}

/** The base chain of a stage at a hook, which both families share. */
export function baseName(stage: Stage, base: Hook['base']): string {
  return `${stage}.${base}`;
}

/** The chain that gives a packet, or its connection, these bits of the mark. */
export function markChain(what: 'mark' | 'connmark', { value, mask }: MarkBits): string {
  return `${what}_${longHex(value)}/${longHex(mask)}`;
}

/** The chain that copies a field between a packet and its connection. */
export function copyChain(kind: 'restore' | 'save', mask: number): string {
  return `${kind}/${longHex(mask)}`;
}

/** The name of a set of the plan. A suffix of our own keeps it apart from the words of nft. */
export function setName(family: Family, set: string): string {
  return `${named(set)}_${family}`;
}

/** The counter of a rule with a comment, `wanmark fibre`: `fibre_4`. */
export function counterName(family: Family, comment: string): string {
  return `${named(comment.replace(/^wanmark /, ''))}_${family}`;
}

/** The chain in which a daemon's choices for a pool and family stand; it is empty until there are some. */
export function ringChain(family: Family, pool: string): string {
  return `ahead${family}.${named(pool)}`;
}

/** The chain to which these lead for a target, and the counter of it. */
export function takenChain(pool: string, target: string): string {
  return `ahead.${named(pool)}/${named(target)}`;
}

/** Whether a chain is one whose rules are a daemon's affair. */
export function isRing(chain: string): boolean {
  return /^ahead[46]\./.test(chain);
}

/** Whether a chain is one to which a daemon's choices lead. */
export function isTaken(chain: string): boolean {
  return chain.startsWith('ahead.');
}

/** A name that nft can read: it begins with a letter, and a sign that cannot stand in it is its code behind a slash. */
function named(text: string): string {
  const name = text
    .replaceAll(' ', '_')
    .replaceAll(/[^A-Za-z0-9._-]/g, (sign) => `/${sign.charCodeAt(0).toString(16)}`);
  return /^[A-Za-z]/.test(name) ? name : `n${name}`;
}

/** A mark as nft prints it. */
export function longHex(value: number): string {
  return `0x${(value >>> 0).toString(16).padStart(8, '0')}`;
}
