import type { Family } from './family.js';

/** Addresses and ports of a connection in the direction it began in, before any translation. */
export interface Tuple {
  readonly family: Family;
  /** 6 TCP, 17 UDP, or another protocol that has ports. */
  readonly proto: number;
  readonly src: string;
  readonly dst: string;
  readonly sport: number;
  readonly dport: number;
}
