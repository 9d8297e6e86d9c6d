import type { StrategyFactory } from '../strategy.js';
import { failover } from './failover.js';
import { random } from './random.js';
import { roundRobin } from './round-robin.js';
import { sourceHash } from './source-hash.js';
import { weighted } from './weighted.js';

/** The built-in strategies by name. */
export const STRATEGIES: ReadonlyMap<string, StrategyFactory> = new Map([
  ['round-robin', roundRobin],
  ['weighted', weighted],
  ['random', random],
  ['source-hash', sourceHash],
  ['failover', failover],
]);

/** Short names, those of IPVS (ipvsadm(8)) where it has the strategy. */
export const ALIASES: ReadonlyMap<string, string> = new Map([
  ['rr', 'round-robin'],
  ['wrr', 'weighted'],
  ['rand', 'random'],
  ['sh', 'source-hash'],
  ['fo', 'failover'],
]);

/** Known to the field, and refused by name rather than as a typing mistake. */
export const UNAVAILABLE: ReadonlyMap<string, string> = new Map([
  ['least-connections', 'least-connections'],
  ['lc', 'least-connections'],
  ['wlc', 'least-connections'],
]);
