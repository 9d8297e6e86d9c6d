import { FAMILIES, type Family } from '../../core/family.js';
import { STAGES } from '../plan.js';
import { PROTOCOL } from '../render/ip.js';
import type { Lists } from '../render/lists.js';
import { tableSteps } from './iptables.js';

/** What is there, and what was asked for when it came about. */
export interface Have {
  readonly lists: Lists;
  /** Of a table, only where the kernel's text is still that of the last settle. */
  readonly asked: Lists;
}

/**
 * What leads from one state to another, and nothing else: `4.tables` for iptables-restore, `4.add` and `4.drop` for
 * `ip -batch`, and the same for IPv6. Files without lines are left out.
 */
export type Steps = ReadonlyMap<string, readonly string[]>;

export function planSteps(have: Have, want: Lists): Steps {
  const all = FAMILIES.flatMap((family) => [
    [`${family}.tables`, tablesOf(family, have, want)] as const,
    [`${family}.add`, routing(family, want, have.lists, ['route replace', 'rule add'])] as const,
    [`${family}.drop`, dropped(family, have.lists, want)] as const,
  ]);
  return new Map(all.filter(([, lines]) => lines.length > 0));
}

function tablesOf(family: Family, { lists, asked }: Have, want: Lists): string[] {
  return STAGES.flatMap((stage) => {
    const list = `${family}.${stage}`;
    const state = { have: lists.get(list) ?? [], asked: asked.get(list) };
    const body = tableSteps(stage, state, want.get(list) ?? []);
    return body.length === 0 ? [] : [`*${stage}`, ...body, 'COMMIT'];
  });
}

/**
 * What is left over. A route whose table has another one now was replaced by it: IPv6 would take away the new one, whatever
 * the type of that which it is asked for (ip6_route_del).
 */
function dropped(family: Family, have: Lists, want: Lists): string[] {
  const list = `routes${family}`;
  const tables = new Set((want.get(list) ?? []).map(tableOf));
  const routes = (have.get(list) ?? []).filter((route) => !tables.has(tableOf(route)));
  return routing(family, new Map([...have, [list, routes]]), want, ['route del', 'rule del']).toReversed();
}

function tableOf(route: string): string | undefined {
  return / table (\S+)/.exec(route)?.[1];
}

/** Routes come before the rules that lead to them; taken away, they go after them. */
function routing(family: Family, these: Lists, those: Lists, commands: readonly [string, string]): string[] {
  const surplus = (list: string, command: string) => {
    const others = new Set(those.get(list));
    return (these.get(list) ?? [])
      .filter((line) => !others.has(line))
      .map((line) => `${command} ${line} protocol ${PROTOCOL}`);
  };
  return [...surplus(`routes${family}`, commands[0]), ...surplus(`rules${family}`, commands[1])];
}
