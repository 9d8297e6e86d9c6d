import type { Family } from './family.js';

/**
 * A target is what a connection can be given to. It is known by its name: a WAN's (`fibre`), a bare mark's (`mark1`),
 * or a backend's behind its service's (`web/10.0.0.2:80`). Names are unique in the whole configuration.
 *
 * A target's id is its name and one family, since a state holds for one family: `fibre/4`, `web/10.0.0.2:80/4`. Keys,
 * files and messages between programs all use this one spelling.
 */
export type TargetId = `${string}/${Family}`;

/** The id of a target in one family. */
export function targetId(name: string, family: Family): TargetId {
  return `${name}/${family}`;
}

/** The parts of an id. */
export function splitTargetId(id: TargetId): { readonly name: string; readonly family: Family } {
  const at = id.lastIndexOf('/');
  return { name: id.slice(0, at), family: Number(id.slice(at + 1)) as Family };
}

/** Reads an id from outside; undefined where the text is not an id. */
export function parseTargetId(text: string): TargetId | undefined {
  return /^.+\/[46]$/.test(text) ? (text as TargetId) : undefined;
}

/** The part of a target that its state depends on. Its device or address belongs to its own type. */
export interface Target {
  readonly name: string;
  /** The families whose connections it can carry; never empty. */
  readonly families: readonly Family[];
}
