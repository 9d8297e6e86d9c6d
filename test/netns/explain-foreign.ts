/** Random ip rules of somebody else, as pbr, wg-quick or a person would make them. */
import type { Family } from '#wanmark/core/family.js';
import type { Draw } from './explain-draw.js';
import { CLIENTS, MARKED, SERVERS } from './explain-machine.js';

/** What `ip -FAMILY rule add` takes. */
export interface ForeignRule {
  readonly family: Family;
  readonly words: string;
}

/** Before ours, between ours and main's, and behind main's. */
const PRIORITIES = [100, 30_000, 40_000] as const;

/** Few of them, and often none, since each may take a large part of the traffic. */
export function randomForeign(draw: Draw): ForeignRule[] {
  if (draw.isIn(2)) return [];
  const priorities = new Set(
    Array.from({ length: 1 + draw.below(3) }, () => draw.one(PRIORITIES) + draw.below(9)),
  );
  return [...priorities].map((priority) => {
    const family = draw.isIn(3) ? 6 : 4;
    const asked = condition(draw, family);
    return { family, words: `priority ${priority} ${asked} ${target(draw, asked)}` };
  });
}

function condition(draw: Draw, family: Family): string {
  const [pbr = 0, other = 0] = Object.values(MARKED[family]);
  const marks = [
    `fwmark ${pbr}/0xff0000`,
    `fwmark ${other}/0xff0000`,
    `fwmark ${pbr}`,
    `fwmark ${pbr}/0xff0000 to ${draw.one(SERVERS[family])}`,
    `not fwmark ${draw.one([pbr, other])}/0xff0000 from ${draw.one(CLIENTS[family])}`,
  ];
  const plain = [
    `from ${draw.one(CLIENTS[family])}`,
    `from ${draw.one(CLIENTS[family])} iif lan0`,
    `to ${draw.one(SERVERS[family])}`,
    `iif lo to ${draw.one(SERVERS[family])}`,
    `ipproto ${draw.one(['tcp', 'udp'])} dport ${draw.one(['7001', '7002-7003'])}`,
  ];
  return draw.one(draw.isIn(3) ? plain : marks);
}

function target(draw: Draw, asked: string): string {
  // `not` is about all conditions together, so such a rule takes answers to clients, too, where its table has a way for them.
  if (asked.startsWith('not')) return 'lookup 702';
  return draw.one(['lookup 701', 'lookup 701', 'lookup 702', 'lookup 702', 'prohibit']);
}
