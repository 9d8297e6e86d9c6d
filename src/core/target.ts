import type { Family } from './family.js';

/**
 * A target is what a connection can be given to, and is known by its name: a WAN's (`fibre`), a bare mark's (`mark1`), or
 * a backend's behind its service's (`web/10.0.0.2:80`). Names are unique in the whole configuration.
 *
 * A target's id is its name and one family: `fibre/4`, `web/10.0.0.2:80/4`. This is the only spelling, in keys, in files
 * and between programs, since a state holds for one family.
 */
export type TargetId = `${string}/${Family}`;

export function targetId(name: string, family: Family): TargetId {
  return `${name}/${family}`;
}

/** The parts of an id. */
export function splitTargetId(id: TargetId): { readonly name: string; readonly family: Family } {
  const at = id.lastIndexOf('/');
  return { name: id.slice(0, at), family: Number(id.slice(at + 1)) as Family };
}

/** Reads an id that comes from outside; undefined where the text is not one. */
export function parseTargetId(text: string): TargetId | undefined {
  return /^.+\/[46]$/.test(text) ? (text as TargetId) : undefined;
}

/** What has to be known of a target to keep its state; what it is made of, a device or an address, is its own type's. */
export interface Target {
  readonly name: string;
  /** Whose connections it can carry, never empty. */
  readonly families: readonly Family[];
}
