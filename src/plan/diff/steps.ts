import { FAMILIES, type Family } from '../../core/family.js';
import { STAGES } from '../plan.js';
import { PROTOCOL } from '../render/ip.js';
import type { Lists } from '../render/lists.js';
import { tableSteps } from './iptables.js';
import { nftSteps } from './nft.js';

/** The current state, and what was asked for when it was made. */
export interface Have {
  readonly lists: Lists;
  /** Holds a table, or a part of the nft table, only while the kernel's text is still that of the last settle. */
  readonly asked: Lists;
  /** The jumps of mangle that are there and in a wrong place, each as `BASE CHAIN`. Undefined: none. */
  readonly toMove?: Readonly<Record<Family, ReadonlySet<string>>>;
}

/**
 * The difference between two states and nothing else: `4.tables` for iptables-restore, `nft` for nft, `4.add` and `4.drop` for `ip
 * -batch`, and the same for IPv6. Files without lines are left out.
 */
export type Steps = ReadonlyMap<string, readonly string[]>;

/** The steps that lead from the state that is there to another one. */
export function planSteps(have: Have, want: Lists): Steps {
  const all: (readonly [string, readonly string[]])[] = FAMILIES.flatMap((family) => [
    [`${family}.tables`, tablesOf(family, have, want)] as const,
    [`${family}.add`, added(family, have.lists, want)] as const,
    [`${family}.drop`, dropped(family, have.lists, want)] as const,
  ]);
  const nft = nftSteps(
    { have: have.lists.get('nft') ?? [], asked: have.asked.get('nft') ?? [] },
    want.get('nft') ?? [],
  );
  all.push(['nft', nft] as const);
  return new Map(all.filter(([, lines]) => lines.length > 0));
}

function tablesOf(family: Family, { lists, asked, toMove }: Have, want: Lists): string[] {
  return STAGES.flatMap((stage) => {
    const list = `${family}.${stage}`;
    const state = {
      have: lists.get(list) ?? [],
      asked: asked.get(list),
      ...(stage === 'mangle' && toMove !== undefined ? { toMove: toMove[family] } : {}),
    };
    const body = tableSteps(stage, state, want.get(list) ?? []);
    return body.length === 0 ? [] : [`*${stage}`, ...body, 'COMMIT'];
  });
}

/**
 * Routes come before the rules that lead to them. The router's own IPv6 sockets may have learned exceptions beside main's
 * default route before there was a table for them (own.ts), which are forgotten.
 */
function added(family: Family, have: Lists, want: Lists): string[] {
  const routes = surplus(`routes${family}`, want, have);
  return [
    ...commands('route replace', routes),
    ...commands('rule add', surplus(`rules${family}`, want, have)),
    ...(family === 6 && routes.some((route) => isOwn(route, want)) ? ['route flush cache'] : []),
  ];
}

/** Whether a route is in a table of the router's own IPv6 packets. */
function isOwn(route: string, want: Lists): boolean {
  const table = route.slice(route.lastIndexOf(' '));
  return (want.get('rules6') ?? []).some((rule) => rule.endsWith(`iif lo lookup${table}`));
}

/**
 * Rules go before the routes that they lead to. A replaced route is not deleted as well: `ip route del` matches by less
 * than the whole route, and would delete the new one.
 */
function dropped(family: Family, have: Lists, want: Lists): string[] {
  const routes = `routes${family}`;
  const taken = new Set((want.get(routes) ?? []).map(placeOf));
  return [
    ...commands('rule del', surplus(`rules${family}`, have, want).toReversed()),
    ...commands(
      'route del',
      surplus(routes, have, want)
        .filter((route) => !taken.has(placeOf(route)))
        .toReversed(),
    ),
  ];
}

/** The destination and table of a route. */
function placeOf(route: string): string {
  return route.replace(/^(?:unreachable )?(\S+) .* (\S+)$/, '$1 $2');
}

function surplus(list: string, these: Lists, those: Lists): string[] {
  const others = new Set(those.get(list));
  return (these.get(list) ?? []).filter((line) => !others.has(line));
}

function commands(command: string, lines: readonly string[]): string[] {
  return lines.map((line) => `${command} ${line} protocol ${PROTOCOL}`);
}
