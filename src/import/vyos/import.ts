import { UsageError } from '../../errors.js';
import type { Item } from '../draft.js';
import { importEdgeos } from '../edgeos/import.js';
import { Findings } from '../findings.js';
import type { Imported } from '../imported.js';
import { checksOf } from './checks.js';
import type { ConfigNode } from './node.js';
import { readVyos } from './read.js';
import { readRules } from './rules.js';
import { loseUnknown } from './unknown.js';
import { readUplinks } from './uplinks.js';

/**
 * Our configuration for `load-balancing wan` of VyOS (1.3 to 1.5), or for `load-balance group` of EdgeOS.
 * @throws UsageError where there is neither
 */
export function importVyos(file: string, text: string): Imported {
  const findings = new Findings();
  const root = readVyos(file, text, findings);
  const wan = root.at('load-balancing', 'wan');
  const groups = root.at('load-balance', 'group');
  if (wan !== undefined) return importWan(file, root, wan, findings);
  if (groups !== undefined) return importEdgeos(file, root, groups, findings);
  throw new UsageError(
    `${file} has neither "load-balancing wan" nor "load-balance group"; give /config/config.boot, or what show configuration prints`,
  );
}

const KNOWN = [
  'disable-source-nat',
  'enable-local-traffic',
  'flush-connections',
  'hook',
  'interface-health',
  'rule',
  'sticky-connections',
];

const OWN_OFF: Item = {
  keys: { own: 'off' },
  from: [],
  remark: "without enable-local-traffic the router's own connections go by the main table",
};

function importWan(file: string, root: ConfigNode, wan: ConfigNode, findings: Findings): Imported {
  loseUnknown(wan, KNOWN, findings);
  const uplinks = readUplinks(wan, findings);
  if (uplinks.length === 0)
    throw new UsageError(`${file}: load-balancing wan has no interface; nothing is balanced`);
  const names = uplinks.map(({ keys }) => String(keys.name));
  const { policies, rules } = readRules(root, wan, names, findings);
  const hook = wan.at('hook');
  if (hook !== undefined) {
    findings.lost(
      hook.lines[0]!,
      'the hook reads WLB_INTERFACE_NAME and WLB_INTERFACE_STATE; ours has INTERFACE and ACTION, so change it and add "hook"',
    );
  }
  const flush = wan.at('flush-connections');
  return {
    findings,
    draft: {
      options: [
        ...(wan.has('enable-local-traffic') ? [] : [OWN_OFF]),
        ...(flush === undefined ? [] : [{ keys: { 'on-up': 'all' }, from: flush.lines }]),
      ],
      wan: uplinks,
      check: names.flatMap((name) => checksOf(name, wan, findings)),
      set: [],
      policy: policies,
      rule: rules,
    },
  };
}
