import type { Option } from './option.js';
import { POLICY_OPTIONS } from './options/policies.js';
import { RULE_OPTIONS } from './options/rules.js';
import { RUN_OPTIONS } from './options/run.js';
import { SERVICE_OPTIONS } from './options/services.js';
import { WAN_OPTIONS } from './options/wans.js';

/** The flag that every command takes besides these; it cannot stand in the file itself. */
export const CONFIG_OPTION = {
  type: 'text',
  value: 'FILE',
  describe: 'YAML or JSON file with the same keys; flags win',
  details: 'A YAML or JSON [file](#the-configuration-file) with the same keys. Flags win over it',
} as const satisfies Option;

/** Every option that a configuration file may hold, no matter which command reads it. */
export const OPTIONS: Readonly<Record<string, Option>> = {
  ...WAN_OPTIONS,
  ...POLICY_OPTIONS,
  ...SERVICE_OPTIONS,
  ...RULE_OPTIONS,
  ...RUN_OPTIONS,
};

/** The values as the flags or the file give them, not yet checked. */
export type RawConfig = Readonly<Record<string, unknown>>;

/** The options among these that the rules depend on. */
export function ruleOptions(raw: RawConfig): RawConfig {
  const keys = { ...WAN_OPTIONS, ...POLICY_OPTIONS, ...SERVICE_OPTIONS, ...RULE_OPTIONS };
  return Object.fromEntries(Object.entries(raw).filter(([key]) => Object.hasOwn(keys, key)));
}
