import type { PlanConfig } from '../../../config/config.js';
import type { Family } from '../../../core/family.js';
import { hex } from '../../../core/mark.js';
import { carries } from '../../../core/wan.js';
import { mayHaveOwnSource } from '../../own.js';
import type { FamilyPlan, IpRule } from '../../plan.js';
import { addressDelay } from '../../routing.js';
import { ipRuleLines } from '../ip.js';
import type { ScriptPolicy } from './policies.js';
import { gatewayVariable, type ScriptWan, viaVariable } from './symbols.js';
import { shellFunction } from './words.js';

/** The functions of a script that print the routes and ip rules of a family. */
export function routingFunctions(
  config: PlanConfig,
  all: readonly ScriptWan[],
  plan: FamilyPlan,
  policies: ReadonlyMap<string, ScriptPolicy>,
  family: Family,
): string[] {
  const { fields, rules } = config;
  const { priority, table } = rules;
  const later = addressDelay({ config, uplinks: all });
  const hasSource = family === 4 && mayHaveOwnSource(config);
  const wans = all.filter(({ wan }) => carries(wan, family));
  const routes = wans.map(({ wan, stem, device }) => {
    const [gateway, given] = [gatewayVariable(stem, family), viaVariable(stem, family)];
    return `route ${family} ${table + wan.mark} "${device}" "$${gateway}" "$${given}"`;
  });
  const sources = wans.map(({ wan, stem, device }) => {
    const shared = wans.some((other) => other.wan !== wan && other.device === device);
    const gateway = shared ? ` "$${viaVariable(stem, family)}"` : '';
    return `addresses ${family} "${device}" ${table + wan.mark}${gateway}`;
  });
  const values = wans.map(({ wan }) => hex(fields.wans.encode(wan.mark)));
  const copies = ['other_rules', family, priority, hex(fields.wans.mask), ...values].join(' ');
  const marks = new Set([...policies.values()].map(({ mark }) => mark));
  // By which member, only the machine knows.
  const isOfPolicy = (rule: IpRule) =>
    'from' in rule &&
    rule.from.kind === 'mark' &&
    rule.priority === priority + 1 &&
    marks.has(hex(rule.from.bits.value));
  return [
    shellFunction(`print_routes${family}`, [
      ...routes,
      ...(family === 6 ? [`own_route 6 ${table}`] : []),
      ...(hasSource ? [`[ -z "$own_source" ] || own_route 4 ${table} "$own_source"`] : []),
    ]),
    `# The order: what others made, specific routes, the mark of a WAN, the addresses that a socket may be bound to.
${shellFunction(`print_rules${family}`, [
  copies,
  ...ipRuleLines({ rules: plan.rules.filter((rule) => !isOfPolicy(rule)) }).map((line) =>
    line.includes('$') ? `echo "${line}"` : `echo '${line}'`,
  ),
  ...[...policies.values()].map(
    ({ mark, members, end }) =>
      `policy_rule ${priority + 1} ${mark}/${hex(fields.wans.mask)} '${end.words}' "$${members}"`,
  ),
  // The variable of the set, which is found before.
  `for _end in $far_ends_${family}; do echo "priority ${priority} to $_end iif lo ipproto 17 lookup main"; done`,
  '{',
  ...sources.map((line) => `\t${line}`),
  `} | bound_rules ${priority + 2 + later}`,
  ...(hasSource
    ? [`[ -z "$own_source" ] || echo 'priority ${priority + 3 + later} iif lo ipproto 6 lookup ${table}'`]
    : []),
])}`,
  ];
}
