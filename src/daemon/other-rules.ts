import { statSync } from 'node:fs';
import { join } from 'node:path';
import { type Config, parseConfig } from '../config/config.js';
import { configDifference, OTHER_RULES } from '../config/difference.js';
import { ruleFlags } from '../config/flags.js';
import { type RawConfig, ruleOptions } from '../config/options.js';
import {
  installedConfig,
  KEPT_FILE,
  readInstalled,
  rulesAreUp,
  stateDirectory,
} from '../system/installed.js';

/** How many differences are named. */
const MOST_NAMED = 5;

/**
 * Looks whether the rules that are up are of another configuration than the daemon's. Then the kernel's own choice has
 * other weights than the daemon, or the two lead the same traffic by different WANs.
 * @param raw the daemon's options
 * @returns a function that says what differs and what to do; undefined where nothing does. It costs a stat most often.
 */
export function otherRules(raw: RawConfig): () => string | undefined {
  let seen = '';
  let said: string | undefined;
  return () => {
    const version = rulesAreUp() ? versionOf(join(stateDirectory(), KEPT_FILE)) : '';
    if (version !== seen) said = version === '' ? undefined : differenceOf(raw);
    seen = version;
    return said;
  };
}

function versionOf(file: string): string {
  const stats = statSync(file, { throwIfNoEntry: false });
  return stats === undefined ? '' : `${stats.ino} ${stats.mtimeMs}`;
}

/** How the rules that are up differ from those of a daemon's options, as in {@link configDifference}; nothing where none are up. */
export function rulesDifference(raw: RawConfig): readonly string[] {
  const both = rulesAreUp() ? bothConfigs(raw) : undefined;
  return both === undefined ? [] : configDifference(both.theirs, both.ours).lines;
}

/** What the rules were made of, and what they are to be made of; undefined where that is the same. */
function bothConfigs(raw: RawConfig): { readonly theirs: Config; readonly ours: Config } | undefined {
  const installed = readInstalled();
  if (installed === undefined) return undefined;
  const theirs = installedConfig(installed);
  const ours = parseConfig(ruleOptions(raw), installed.numbers);
  return ruleFlags(ours) === ruleFlags(theirs) ? undefined : { theirs, ours };
}

function differenceOf(raw: RawConfig): string | undefined {
  const both = bothConfigs(raw);
  if (both === undefined) return undefined;
  const { theirs, ours } = both;
  const { lines } = configDifference(theirs, ours);
  const named = [...lines.slice(0, MOST_NAMED), ...(lines.length > MOST_NAMED ? ['...'] : [])].join(', ');
  const effect = sameQueues(ours, theirs) ? '' : ', so the kernel chooses for some connections or all';
  return `${OTHER_RULES} (to this one: ${named})${effect}; wanmark reload makes them follow`;
}

function sameQueues(ours: Config, theirs: Config): boolean {
  return (['num', 'count', 'services'] as const).every((key) => ours.queues[key] === theirs.queues[key]);
}
