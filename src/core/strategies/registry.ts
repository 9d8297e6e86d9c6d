import type { StrategyFactory } from '../strategy.js';
import { failover } from './failover.js';
import { leastConnections } from './least-connections.js';
import { neverQueue } from './never-queue.js';
import { random } from './random.js';
import { roundRobin } from './round-robin.js';
import { shortestExpectedDelay } from './shortest-expected-delay.js';
import { sourceHash } from './source-hash.js';
import { twoChoices } from './two-choices.js';
import { weighted } from './weighted.js';

/** The built-in strategies by name. */
export const STRATEGIES: ReadonlyMap<string, StrategyFactory> = new Map([
  ['weighted', weighted],
  ['round-robin', roundRobin],
  ['random', random],
  ['source-hash', sourceHash],
  ['failover', failover],
  ['least-connections', leastConnections],
  ['shortest-expected-delay', shortestExpectedDelay],
  ['never-queue', neverQueue],
  ['two-choices', twoChoices],
]);

/** Short names: IPVS's own (ipvsadm(8)) for its strategies, and p2c, the word of Envoy and nginx. */
export const ALIASES: ReadonlyMap<string, string> = new Map([
  ['rr', 'round-robin'],
  ['wrr', 'weighted'],
  ['rand', 'random'],
  ['sh', 'source-hash'],
  ['fo', 'failover'],
  ['lc', 'least-connections'],
  ['wlc', 'least-connections'],
  ['sed', 'shortest-expected-delay'],
  ['nq', 'never-queue'],
  ['p2c', 'two-choices'],
  ['twos', 'two-choices'],
]);
