import { isIPv4 } from 'node:net';
import type { Item } from '../draft.js';
import type { Findings } from '../findings.js';
import type { ConfigNode } from './node.js';
import { readNumber } from './number.js';
import { loseUnknown } from './unknown.js';

/** How long VyOS waits between rounds, in seconds (`sleep_interval` of vyos-load-balancer.py). */
const INTERVAL = 5;
/** The default of `resp-time`, in seconds. */
const PATIENCE = 5;
/** Where a script without a path is. */
const SCRIPTS = '/config/scripts/';

/** A test that must pass. */
interface Test {
  readonly check: 'ping' | 'script';
  readonly target: string;
  readonly timeout: number;
  readonly node: ConfigNode;
}

/** The checks of a WAN: all its tests must pass in a round. */
export function checksOf(name: string, wan: ConfigNode, findings: Findings): readonly Item[] {
  const health = wan.at('interface-health', name);
  if (health === undefined) return [];
  loseUnknown(health, ['failure-count', 'nexthop', 'success-count', 'test'], findings);
  const fall = readNumber(health, ['failure-count'], 1, findings);
  const rise = readNumber(health, ['success-count'], 1, findings);
  const counts = ['failure-count', 'success-count'].flatMap((key) => health.at(key)?.lines ?? []);
  const common = (timeout: number) => ({ interval: INTERVAL, timeout, fall, rise });
  const tests = readTests(health, findings);
  // Without a test, VyOS pings the next hop.
  const nexthop = health.value('nexthop') ?? '';
  if (!health.has('test') && isIPv4(nexthop)) {
    const keys = { wan: name, check: 'ping', to: nexthop, ...common(PATIENCE) };
    return [
      {
        keys,
        from: [...health.at('nexthop')!.lines, ...counts],
        remark: 'without a test, VyOS pings the next hop',
      },
    ];
  }
  return grouped(tests).map((group) => {
    const targets = [...new Set(group.map(({ target }) => target))];
    const { check, timeout } = group[0]!;
    return {
      keys: {
        wan: name,
        check,
        to: targets.length === 1 ? targets[0]! : targets,
        ...(targets.length === 1 ? {} : { quorum: targets.length }),
        ...common(timeout),
      },
      from: [...counts, ...group.flatMap(({ node }) => node.lines)],
    };
  });
}

/** Pings of one patience are one check, all of whose targets must answer; a script is one alone. */
function grouped(tests: readonly Test[]): readonly (readonly Test[])[] {
  const groups = new Map<string, Test[]>();
  for (const test of tests) {
    const key = test.check === 'ping' ? `${test.timeout}` : test.target;
    groups.set(key, [...(groups.get(key) ?? []), test]);
  }
  return [...groups.values()];
}

function readTests(health: ConfigNode, findings: Findings): Test[] {
  return (health.at('test')?.numbered ?? []).flatMap(([number, node]): Test[] => {
    loseUnknown(node, ['resp-time', 'target', 'test-script', 'ttl-limit', 'type'], findings);
    const type = node.value('type') ?? 'ping';
    const target = node.value('target') ?? '';
    const timeout = readNumber(node, ['resp-time'], PATIENCE, findings);
    const script = node.value('test-script') ?? '';
    if (type === 'ping' && isIPv4(target)) return [{ check: 'ping', target, timeout, node }];
    if (type === 'user-defined' && script !== '') {
      const path = script.startsWith('/') ? script : SCRIPTS + script;
      return [{ check: 'script', target: path, timeout: PATIENCE, node }];
    }
    const what = type === 'ttl' ? 'there is no check like ttl' : 'it has no target';
    findings.lost(node.lineOf('type'), `test ${number} is left out: ${what}`);
    return [];
  });
}
