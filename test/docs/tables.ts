import {
  BACKEND_KEYS,
  CHECK_KEYS,
  type KeyTable,
  POLICY_KEYS,
  RULE_KEYS,
  SERVICE_KEYS,
  SET_KEYS,
  WAN_KEYS,
} from '#wanmark/config/keys.js';
import type { Option } from '#wanmark/config/option.js';
import { POLICY_OPTIONS } from '#wanmark/config/options/policies.js';
import { RULE_OPTIONS } from '#wanmark/config/options/rules.js';
import { RUN_OPTIONS } from '#wanmark/config/options/run.js';
import { SERVICE_OPTIONS } from '#wanmark/config/options/services.js';
import { WAN_OPTIONS } from '#wanmark/config/options/wans.js';
import { CONFIG_OPTION } from '#wanmark/config/options.js';

/** The options that a command line and a file have, by what they are of. */
export const SECTIONS: readonly (readonly [of: string, Readonly<Record<string, Option>>])[] = [
  ['the WANs', { ...WAN_OPTIONS, config: CONFIG_OPTION }],
  ['policies', POLICY_OPTIONS],
  ['services', SERVICE_OPTIONS],
  ['the rules', RULE_OPTIONS],
  ['the daemon', RUN_OPTIONS],
];

/** The options whose items have keys: what an item is, and its keys. */
export const ITEMS: ReadonlyMap<string, readonly [what: string, keys: KeyTable]> = new Map([
  ['wan', ['a WAN', WAN_KEYS]],
  ['policy', ['a policy', POLICY_KEYS]],
  ['rule', ['a rule', RULE_KEYS]],
  ['set', ['a set', SET_KEYS]],
  ['service', ['a service', SERVICE_KEYS]],
  ['backend', ['a backend', BACKEND_KEYS]],
  ['check', ['a check', CHECK_KEYS]],
]);
