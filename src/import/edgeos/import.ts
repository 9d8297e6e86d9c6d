import { UsageError } from '../../errors.js';
import type { Item } from '../draft.js';
import type { Findings } from '../findings.js';
import type { Imported } from '../imported.js';
import type { ConfigNode } from '../vyos/node.js';
import { readGroups } from './groups.js';
import { readRules } from './rules.js';

/** Our configuration for `load-balance group` of EdgeOS. @throws UsageError where no group has an interface */
export function importEdgeos(
  file: string,
  root: ConfigNode,
  groups: ConfigNode,
  findings: Findings,
): Imported {
  const { wans, checks, policies, names } = readGroups(groups, findings);
  if (wans.length === 0)
    throw new UsageError(`${file}: no load-balance group has an interface; nothing is balanced`);
  const forwarded = readRules(root, names, findings);
  for (const [, group] of groups.entries) noteScript(group, findings);
  const own = ownTraffic(groups, names);
  const flush = groups.entries.flatMap(([, group]) => group.at('flush-on-active', 'enable')?.lines ?? []);
  return {
    findings,
    draft: {
      options: [...own.options, ...(flush.length === 0 ? [] : [{ keys: { 'on-up': 'all' }, from: flush }])],
      wan: wans,
      check: checks,
      set: [],
      policy: policies,
      rule: [
        ...own.rules,
        ...forwarded,
        { keys: { policy: 'direct' }, from: [], remark: 'what no rule is for goes by the main table' },
      ],
    },
  };
}

/** What becomes of the router's own connections. */
interface Own {
  readonly options: readonly Item[];
  readonly rules: readonly Item[];
}

/**
 * They go by the first group that does not say otherwise. A group that was made without `lb-local` is saved by EdgeOS with
 * `lb-local enable`, as it writes its defaults out.
 */
function ownTraffic(groups: ConfigNode, names: ReadonlyMap<string, string>): Own {
  const dns = groups.entries.flatMap(([, group]) => group.at('exclude-local-dns', 'enable')?.lines ?? []);
  const open = groups.entries.find(([, group]) => group.value('lb-local') !== 'disable');
  const from = groups.entries.flatMap(([, group]) => group.at('lb-local')?.lines ?? []);
  if (open === undefined) return { options: [{ keys: { own: 'off' }, from }], rules: [] };
  const direct = { keys: { own: true, proto: ['tcp', 'udp'], dport: 53, policy: 'direct' }, from: dns };
  return {
    options: [],
    rules: [
      ...(dns.length === 0 ? [] : [direct]),
      { keys: { own: true, policy: names.get(open[0])! }, from },
    ],
  };
}

function noteScript(group: ConfigNode, findings: Findings): void {
  const script = group.at('transition-script');
  if (script === undefined) return;
  findings.lost(
    script.lines[0]!,
    'the transition script gets arguments; a hook has INTERFACE and ACTION, so change it and add "hook"',
  );
}
