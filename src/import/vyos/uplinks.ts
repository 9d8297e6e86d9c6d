import { isIPv4 } from 'node:net';
import type { Item } from '../draft.js';
import type { Findings } from '../findings.js';
import type { ConfigNode } from './node.js';

/** The WANs of `load-balancing wan`. */
export function readUplinks(wan: ConfigNode, findings: Findings): readonly Item[] {
  const rules = wan.at('rule')?.numbered ?? [];
  /** Where a device is first named as one that traffic leaves by. */
  const balanced = new Map<string, ConfigNode>();
  for (const [, rule] of rules) {
    for (const [name, node] of rule.at('interface')?.entries ?? []) {
      if (!balanced.has(name)) balanced.set(name, node);
    }
  }
  const inbound = new Set(rules.map(([, rule]) => rule.value('inbound-interface')));
  const names = [...balanced.keys()];
  const tested = wan.at('interface-health')?.keys ?? [];
  for (const name of tested) {
    if (names.includes(name)) continue;
    const at = wan.lineOf('interface-health', name);
    if (inbound.has(name))
      findings.note(at, `${name} is where traffic comes from, and no rule sends any by it; left out`);
    else names.push(name);
  }
  return names.map((name) => {
    const health = wan.at('interface-health', name);
    const first = balanced.get(name)?.lines[0];
    if (health === undefined) {
      findings.note(
        first!,
        `${name} has no interface-health, so VyOS sends nothing by it; here its rules do, by its default route`,
      );
    }
    const nexthop = health?.value('nexthop') ?? 'dhcp';
    return {
      keys: {
        name,
        dev: name,
        via: isIPv4(nexthop) ? nexthop : 'auto',
        ...(wan.has('disable-source-nat') ? { nat: 'none' } : {}),
      },
      from: [
        ...(health?.at('nexthop')?.lines ?? (first === undefined ? [] : [first])),
        ...(wan.at('disable-source-nat')?.lines ?? []),
      ],
    };
  });
}
