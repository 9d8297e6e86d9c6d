import { byHash } from './hash.js';

/** Keeps each client on one WAN, by its address. */
export const sourceHash = byHash(['src']);
