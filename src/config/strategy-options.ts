import { UsageError } from '../errors.js';
import type { RawConfig } from './options.js';
import { readSwitch, readText } from './raw.js';
import { builtIn, isStrategyFile } from './strategy.js';
import type { TargetLists } from './targets.js';

/** How the daemon chooses among the WANs or bare marks, and the connections that it counts for that. */
export interface StrategyConfig {
  /** A built-in's name or alias, or a file; resolved by `loadStrategy`. */
  readonly name: string;
  /** Count only TCP connections in ESTABLISHED, instead of all live ones; the backends' as well. */
  readonly established: boolean;
  /** A file to read counts from; undefined: conntrack. */
  readonly countsFile: string | undefined;
  /** Whether a host's IPv4 and IPv6 connections go by the same WAN. */
  readonly pairFamilies: boolean;
}

/** @throws UsageError */
export function parseStrategy(raw: RawConfig, { wans, targets }: TargetLists): StrategyConfig {
  if (targets.length === 0 && raw.strategy !== undefined) {
    throw new UsageError('--strategy is for the WANs; give each --service its strategy=');
  }
  const pairFamilies = readSwitch(raw, 'pair-families');
  if (pairFamilies && wans.length === 0)
    throw new UsageError('--pair-families is for the uplinks of --wan; leave it out');
  const count = readText(raw, 'count')!;
  if (count !== 'live' && count !== 'established')
    throw new UsageError(`count "${count}" must be live or established`);
  const name = readText(raw, 'strategy')!;
  if (!isStrategyFile(name)) builtIn(name);
  return Object.freeze({
    name,
    established: count === 'established',
    countsFile: readText(raw, 'counts-file'),
    pairFamilies,
  });
}
