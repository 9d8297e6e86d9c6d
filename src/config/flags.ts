import { hex } from '../core/mark.js';
import { type Backend, formatListen, type Service } from '../core/service.js';
import type { Wan } from '../core/wan.js';
import type { PlanConfig } from './config.js';
import { kernelModeText } from './engine.js';
import { SERVICE_KEYS } from './keys.js';
import { DEFAULT_BACKEND_MASK } from './options/services.js';
import { DEFAULT_MASK } from './options/wans.js';
import { policyText } from './policy.js';
import { ruleText } from './rule.js';
import { setText } from './set.js';
import { stickyText } from './sticky.js';

/** The flags that make the rules of `config`, without defaults: a message can tell a user to run them. */
export function ruleFlags(config: PlanConfig): string {
  const { fields, queues, rules } = config;
  const flags = config.wans.map((wan, i) => `--wan ${wanFlag(wan, i + 1)}`);
  flags.push(...policyFlags(config));
  if (fields.wans.mask !== Number(DEFAULT_MASK)) flags.push(`--mask ${hex(fields.wans.mask)}`);
  if (queues.num !== 0) flags.push(`--queue-num ${queues.num}`);
  if (queues.count !== 1) flags.push(`--queues ${queues.count}`);
  if (rules.engine !== 'nfqueue') flags.push(`--engine ${rules.engine}`);
  if (rules.firewall !== 'iptables') flags.push(`--backend ${rules.firewall}`);
  if (kernelModeText(rules) !== 'random') flags.push(`--kernel-mode ${kernelModeText(rules)}`);
  if (rules.per !== 'connection') flags.push(`--per ${rules.per}`);
  if (rules.lastResort !== 'main') flags.push(`--last-resort ${rules.lastResort}`);
  if (rules.table !== 1000) flags.push(`--table ${rules.table}`);
  if (rules.priority !== 20_000) flags.push(`--priority ${rules.priority}`);
  for (const dev of rules.lan) flags.push(`--lan ${dev}`);
  if (!rules.own) flags.push('--own off');
  if (!rules.respectMarks) flags.push('--respect-marks off');
  for (const net of rules.exclude) flags.push(`--exclude ${net}`);
  if (rules.logKernel) flags.push('--log-kernel');
  flags.push(...serviceFlags(config));
  return flags.join(' ');
}

function policyFlags({ policies }: PlanConfig): string[] {
  return [
    ...policies.given.map((one) => `--policy ${quoted(policyText(one))}`),
    ...policies.sets.map((one) => `--set ${quoted(setText(one))}`),
    ...(policies.sticky === undefined ? [] : [`--sticky ${stickyText(policies.sticky)}`]),
    ...policies.rules.map((one) => `--rule ${quoted(ruleText(one))}`),
  ];
}

/** A word as the shell reads it. */
function quoted(word: string): string {
  return /^[\w.,:=+/@%-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function wanFlag(wan: Wan, position: number): string {
  const values: [string, string | number | undefined, string | number | undefined][] = [
    ['dev', wan.dev, undefined],
    ['via', wan.via, wan.via6 === undefined ? 'dev' : undefined],
    ['via6', wan.via6, undefined],
    ['weight', wan.weight, 1],
    ['tier', wan.tier, 1],
    ['mark', wan.mark, position],
    ['initial', wan.startsDown ? 'down' : undefined, undefined],
    ['nat', wan.nat, 'masquerade'],
    ['nat6', wan.nat6, wan.nat === 'none' ? 'none' : 'masquerade'],
  ];
  return record(wan.name, values);
}

/** The values that differ from their defaults. */
function record(
  name: string,
  values: readonly [string, string | number | undefined, string | number | undefined][],
): string {
  const given = values.filter(([, value, standard]) => value !== undefined && value !== standard);
  return [name, ...given.map(([key, value]) => `${key}=${value}`)].join(',');
}

function serviceFlags({ services, fields, queues, rules }: PlanConfig): string[] {
  if (services.length === 0) return [];
  const flags = services.map((service) => `--service ${serviceFlag(service)}`);
  // Without marks of their own, backends are numbered by their place in the list of all, so they are listed by mark.
  services
    .flatMap((service) => service.backends.map((backend) => ({ service, backend })))
    .sort((a, b) => a.backend.mark - b.backend.mark)
    .forEach(({ service, backend }, i) => {
      flags.push(`--backend ${backendFlag(service, backend, i + 1)}`);
    });
  if (fields.backends.mask !== Number(DEFAULT_BACKEND_MASK))
    flags.push(`--backend-mask ${hex(fields.backends.mask)}`);
  if (queues.services !== queues.num + queues.count) flags.push(`--service-queue ${queues.services}`);
  if (rules.forwardAccept) flags.push('--forward-accept');
  return flags;
}

function serviceFlag(service: Service): string {
  return record(service.name, [
    ['listen', formatListen(service), undefined],
    ['snat', service.snat, 'auto'],
    ['strategy', service.strategy, SERVICE_KEYS.strategy.default],
  ]);
}

function backendFlag(service: Service, backend: Backend, position: number): string {
  return record(service.name, [
    ['to', backend.name, undefined],
    ['weight', backend.weight, 1],
    ['tier', backend.tier, 1],
    ['mark', backend.mark, position],
  ]);
}
