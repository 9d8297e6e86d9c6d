import { isIPv4 } from 'node:net';
import type { Item, Keys } from '../draft.js';
import type { Findings } from '../findings.js';
import { Names } from '../names.js';
import { type PoolMember, useOf } from '../pool.js';
import type { ConfigNode } from '../vyos/node.js';
import { readNumber } from '../vyos/number.js';
import { OURS } from '../vyos/policies.js';
import { loseUnknown } from '../vyos/unknown.js';

/** An interface without a `route-test` pings this: `show load-balance watchdog` has `ping gateway: ping.ubnt.com` for it. */
const DEFAULT_TARGET = 'ping.ubnt.com';
/** So many failures or answers in a row decide: `show load-balance watchdog` has `run fails: 0/3`, `Waiting on recovery (0/3)`. */
const DEFAULT_COUNT = 3;
/**
 * Seconds between rounds of a `route-test`. No listing of EdgeOS has it; it is what configurations say that write the defaults
 * out, with an `initial-delay` of 60.
 */
const DEFAULT_INTERVAL = 10;
/** The `failover-priority` of an interface that says none: `fo_priority : 100` in `show load-balance status`. */
const DEFAULT_PRIORITY = 100;
/** The words of `sticky` that are part of ours. */
const STICKY = { 'source-addr': 'src', 'dest-addr': 'dst' } as const;

const GROUP_WORDS = [
  'exclude-local-dns',
  'flush-on-active',
  'gateway-update-interval',
  'interface',
  'lb-local',
  'lb-local-metric-change',
  'sticky',
  'transition-script',
];
const INTERFACE_WORDS = ['failover-only', 'failover-priority', 'route', 'route-test', 'weight'];
const TEST_WORDS = ['count', 'initial-delay', 'interval', 'type'];

/** What the groups become. */
export interface Groups {
  readonly wans: readonly Item[];
  readonly checks: readonly Item[];
  readonly policies: readonly Item[];
  /** The name of the policy, by that of the group. */
  readonly names: ReadonlyMap<string, string>;
}

export function readGroups(groups: ConfigNode, findings: Findings): Groups {
  for (const [, group] of groups.entries) loseUnknown(group, GROUP_WORDS, findings);
  const wans = new Map<string, Item>();
  const checks = new Map<string, Item>();
  for (const [name, node] of groups.entries.flatMap(([, group]) => group.at('interface')?.entries ?? [])) {
    loseUnknown(node, INTERFACE_WORDS, findings);
    if (node.has('route', 'table'))
      findings.lost(
        node.lineOf('route'),
        'its routes are those of the main table here, and not of another one',
      );
    if (wans.has(name)) continue;
    wans.set(name, { keys: { name, dev: name, via: 'auto' }, from: node.lines.slice(0, 1) });
    const check = checkOf(name, node, findings);
    if (check !== undefined) checks.set(name, check);
  }
  const names = new Names([...OURS, ...wans.keys()]);
  const named = new Map(groups.keys.map((group) => [group, names.take(group, '-policy')]));
  const policies = groups.entries.map(([name, group]) => policyOf(named.get(name)!, group, findings));
  return { wans: [...wans.values()], checks: [...checks.values()], policies, names: named };
}

function policyOf(name: string, group: ConfigNode, findings: Findings): Item {
  const interfaces = group.at('interface')?.entries ?? [];
  const members = interfaces.map(([wan, node]): PoolMember => {
    const priority = readNumber(node, ['failover-priority'], DEFAULT_PRIORITY, findings);
    const metric = node.has('failover-only') ? 1_000_000 - priority : 0;
    return { wan, family: 4, metric, weight: readNumber(node, ['weight'], 1, findings) };
  });
  noteOrder(interfaces, members, findings);
  return {
    keys: { name, use: useOf(members), none: 'main', ...stickyOf(group, findings) },
    from: [
      ...interfaces.flatMap(([, node]) => [
        node.lines[0]!,
        ...['weight', 'failover-only', 'failover-priority'].flatMap((key) => node.at(key)?.lines ?? []),
      ]),
      ...(group.at('sticky')?.lines ?? []),
    ],
  };
}

/** No manual that we know says which end of `failover-priority` comes first. */
function noteOrder(
  interfaces: readonly (readonly [string, ConfigNode])[],
  members: readonly PoolMember[],
  findings: Findings,
): void {
  const backups = interfaces.filter((_, i) => members[i]!.metric > 0);
  if (new Set(members.filter(({ metric }) => metric > 0).map(({ metric }) => metric)).size < 2) return;
  const [, first] = backups.find(([, node]) => node.has('failover-priority'))!;
  findings.note(
    first.lineOf('failover-priority'),
    'the backup with the highest failover-priority comes first here; see "show load-balance status" for which is active there',
  );
}

function stickyOf(group: ConfigNode, findings: Findings): Keys {
  const given = (group.at('sticky')?.entries ?? []).filter(([, node]) => node.keys.at(-1) !== 'disable');
  const fields = given.map(([word]) => word);
  const stray = fields.find((word) => !(word in STICKY));
  if (stray !== undefined || (fields.length > 0 && !fields.includes('source-addr'))) {
    findings.lost(
      group.lineOf('sticky'),
      'sticky is by the source address, alone or with the destination address',
    );
  }
  if (!fields.includes('source-addr')) return {};
  return { sticky: { by: fields.includes('dest-addr') ? 'src+dst' : 'src', for: '10m' } };
}

function checkOf(wan: string, node: ConfigNode, findings: Findings): Item | undefined {
  const test = node.at('route-test');
  if (test !== undefined) loseUnknown(test, TEST_WORDS, findings);
  const delay = test?.at('initial-delay');
  if (delay !== undefined)
    findings.note(
      delay.lines[0]!,
      'checks begin at once here; a WAN is up until they fail, as during the delay',
    );
  const type = test?.at('type');
  const keys: Keys = {
    interval: readNumber(test, ['interval'], DEFAULT_INTERVAL, findings),
    fall: readNumber(test, ['count', 'failure'], DEFAULT_COUNT, findings),
    rise: readNumber(test, ['count', 'success'], DEFAULT_COUNT, findings),
  };
  const from = test?.lines ?? [];
  const script = type?.value('script');
  if (script !== undefined) {
    findings.note(
      type!.lineOf('script'),
      'the script gets no arguments here: it learns of its WAN by WANMARK_DEVICE',
    );
    return { keys: { wan, check: 'script', to: script, ...keys }, from };
  }
  const target = type?.value('ping', 'target') ?? DEFAULT_TARGET;
  const remark = target === DEFAULT_TARGET ? { remark: 'whom EdgeOS pings by default' } : {};
  const family = isIPv4(target) ? {} : { family: 4 };
  return { keys: { wan, check: 'ping', to: target, ...family, ...keys }, from, ...remark };
}
