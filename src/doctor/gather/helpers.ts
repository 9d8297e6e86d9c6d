import { readFileSync } from 'node:fs';
import type { HelperFacts } from '../facts.js';
import { assignedHelpers, type Rulesets } from './rulesets.js';

/** Modules of conntrack that are no helpers. */
const PARTS = new Set(['netlink', 'broadcast', 'bridge', 'act_ct', 'bpf', 'ovs']);

/** Which conntrack helpers there are, and who gets them. */
export function readHelpers(rulesets: Rulesets, read: (file: string) => string = readText): HelperFacts {
  const modules = [...read('/proc/modules').matchAll(/^nf_conntrack_(\S+) /gm)].map(([, name]) => name!);
  return {
    automatic: read('/proc/sys/net/netfilter/nf_conntrack_helper').trim() === '1',
    loaded: modules.filter((name) => !PARTS.has(name)),
    assigned: assignedHelpers(rulesets),
  };
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
