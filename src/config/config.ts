import { rejectUnfitForAhead } from './ahead.js';
import { type MarkFields, parseFields } from './fields.js';
import { type HealthConfig, parseHealth } from './health.js';
import { type HooksConfig, parseHooks } from './hooks.js';
import { type LogConfig, parseLog } from './log.js';
import { NO_NUMBERS, type Numbers } from './numbers.js';
import type { RawConfig } from './options.js';
import { type PoliciesConfig, parsePoliciesConfig } from './policies.js';
import { parseQueues, type QueuesConfig } from './queues.js';
import { readSwitch, rejectUnknown } from './raw.js';
import { parseRules, type RulesConfig } from './rules.js';
import { parseSocket } from './socket.js';
import { parseStrategy, type StrategyConfig } from './strategy-options.js';
import { parseTargetLists, type TargetLists } from './targets.js';

/** A checked configuration, in groups, so that each part of the program can take those that it needs; frozen. */
export interface Config extends TargetLists {
  readonly fields: MarkFields;
  readonly queues: QueuesConfig;
  readonly rules: RulesConfig;
  readonly policies: PoliciesConfig;
  readonly strategy: StrategyConfig;
  readonly health: HealthConfig;
  readonly hooks: HooksConfig;
  readonly log: LogConfig;
  /** Whether the daemon puts back what somebody removed of our rules and routes. */
  readonly repair: boolean;
  /** Path of the control socket. */
  readonly socket: string;
}

/** What the rules and routes depend on. */
export type PlanConfig = Pick<Config, 'wans' | 'services' | 'fields' | 'queues' | 'rules' | 'policies'>;

/**
 * Checks everything that can be checked without asking the system.
 * @param numbers the numbers that targets have had since `up`; a name keeps its number
 * @throws UsageError
 */
export function parseConfig(raw: RawConfig, numbers: Numbers = NO_NUMBERS): Config {
  rejectUnknown(raw);
  const fields = parseFields(raw);
  const lists = parseTargetLists(raw, fields, numbers);
  const rules = parseRules(raw, lists, fields.wans);
  const config: Config = Object.freeze({
    ...lists,
    fields,
    queues: parseQueues(raw, lists),
    rules,
    policies: parsePoliciesConfig(raw, {
      wans: lists.wans,
      lastResort: rules.lastResort,
      fields,
      remembered: numbers.policies,
    }),
    strategy: parseStrategy(raw, lists),
    health: parseHealth(raw, lists),
    hooks: parseHooks(raw, lists.wans),
    log: parseLog(raw),
    repair: !readSwitch(raw, 'no-repair'),
    socket: parseSocket(raw),
  });
  rejectUnfitForAhead(config);
  return config;
}
