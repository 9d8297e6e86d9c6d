import { hex } from '../core/mark.js';
import { backendName, formatListen } from '../core/service.js';
import { UsageError } from '../errors.js';
import type { CheckConfig } from './check.js';
import type { Config } from './config.js';
import { kernelModeText } from './engine.js';
import { policyText } from './policy.js';
import { ruleText } from './rule.js';
import { setText } from './set.js';
import { stickyText } from './sticky.js';

/** How one configuration differs from another, in lines for a person. */
export interface Difference {
  /** `~ fibre weight 5 -> 3`, `+ lte dev wwan0 tier 2`, `- dsl`; empty where both are the same. */
  readonly lines: readonly string[];
  /** The options that differ and that a daemon has for as long as it runs, as `mask 0xff -> 0xff00`. */
  readonly fixed: readonly string[];
}

/** How a line begins that says that the rules are not those of the configuration that somebody goes by. */
export const OTHER_RULES = 'the rules are those of another configuration';

/** The values of one thing by key; undefined where it has its default, which is not worth a word. */
type Values = Readonly<Record<string, string | number | undefined>>;

/** Tells what going over from one configuration to another changes. */
export function configDifference(from: Config, to: Config): Difference {
  const fixed = changes(fixedValues(from), fixedValues(to));
  return {
    lines: [
      ...itemLines(namedItems(from), namedItems(to)),
      ...listLines(from, to),
      ...changes(optionValues(from), optionValues(to)).map((change) => `~ ${change}`),
      ...fixed.map((change) => `~ ${change}`),
    ],
    fixed,
  };
}

/**
 * Checks that a daemon can go over from one configuration to another.
 * @throws UsageError that names all that a daemon has for as long as it runs
 */
export function rejectFixedChanges(from: Config, to: Config): void {
  const { fixed } = configDifference(from, to);
  if (fixed.length === 0) return;
  throw new UsageError(
    `this needs another daemon: ${fixed.join(', ')}; undo it, or restart (systemctl restart wanmark)`,
  );
}

/** What queues, sockets and threads were opened with, and what tells the marks of living connections. */
function fixedValues({ fields, queues, marks, wans, services, socket, hooks, rules }: Config): Values {
  return {
    mask: hex(fields.wans.mask),
    'backend-mask': services.length > 0 ? hex(fields.backends.mask) : undefined,
    'queue-num': queues.num,
    queues: queues.count,
    'service-queue': services.length > 0 ? queues.services : undefined,
    'queue-length': queues.length,
    deadline: queues.deadlineMs,
    'high-mark': marks.length > 0 ? marks.length : undefined,
    WANs: wans.length > 0 ? 'some' : 'none',
    services: services.length > 0 ? 'some' : 'none',
    socket,
    'hook-user': hooks.user,
    engine: rules.engine,
  };
}

/** The options that are neither things with a name nor lists. */
function optionValues(config: Config): Values {
  const { marks, rules, strategy, health, hooks, log, repair, policies } = config;
  const onOff = (value: boolean) => (value ? 'on' : 'off');
  return {
    weights: marks.length > 0 ? marks.map(({ weight }) => weight).join() : undefined,
    strategy: strategy.name,
    count: strategy.established ? 'established' : 'live',
    'counts-file': strategy.countsFile,
    'pair-families': onOff(strategy.pairFamilies),
    sticky: policies.sticky && stickyText(policies.sticky),
    firewall: rules.firewall,
    'kernel-mode': kernelModeText(rules),
    per: rules.per,
    'last-resort': rules.lastResort,
    own: onOff(rules.own),
    'respect-marks': onOff(rules.respectMarks),
    table: rules.table,
    priority: rules.priority,
    'log-kernel': onOff(rules.logKernel),
    'forward-accept': onOff(rules.forwardAccept),
    'on-down': health.onDown,
    'on-up': health.onUp,
    'up-after': seconds(health.upAfterMs),
    'slow-start': seconds(health.slowStartMs),
    'second-chance': onOff(health.secondChance),
    passive: health.passive,
    'probe-clients-destinations': onOff(health.probeClientsDestinations),
    'hook-timeout': seconds(hooks.timeoutMs),
    'log-mark': onOff(log.mark),
    'log-packet': onOff(log.packet),
    repair: onOff(repair),
  };
}

function seconds(ms: number): number {
  return ms / 1000;
}

/** WANs, services and backends, by name. */
function namedItems({ wans, services }: Config): ReadonlyMap<string, Values> {
  const all: [string, Values][] = wans.map((wan) => [
    wan.name,
    {
      dev: wan.dev,
      via: wan.viaOmitted === true ? undefined : wan.via,
      via6: wan.via6,
      weight: wan.weight,
      tier: wan.tier,
      mark: wan.mark,
      initial: wan.startsDown === true ? 'down' : undefined,
      nat: wan.nat,
      nat6: wan.nat6,
    },
  ]);
  for (const service of services) {
    const { name, snat, strategy } = service;
    all.push([`service ${name}`, { listen: formatListen(service), snat, strategy }]);
    for (const backend of service.backends) {
      const { weight, tier, mark } = backend;
      all.push([`backend ${backendName(service, backend)}`, { weight, tier, mark }]);
    }
  }
  return new Map(all);
}

/** The values of a new thing that go without saying; its number is chosen and not configured, most often. */
const UNSAID: Values = {
  weight: 1,
  tier: 1,
  nat: 'masquerade',
  nat6: 'masquerade',
  snat: 'auto',
  strategy: 'weighted',
};

function itemLines(from: ReadonlyMap<string, Values>, to: ReadonlyMap<string, Values>): string[] {
  const lines: string[] = [];
  for (const [name, values] of to) {
    const before = from.get(name);
    if (before === undefined) {
      const said = Object.entries(values).filter(
        ([key, value]) => key !== 'mark' && value !== undefined && value !== UNSAID[key],
      );
      lines.push(['+', name, ...said.flat()].join(' '));
    } else lines.push(...changes(before, values).map((change) => `~ ${name} ${change}`));
  }
  for (const name of from.keys()) if (!to.has(name)) lines.push(`- ${name}`);
  return lines;
}

function changes(from: Values, to: Values): string[] {
  return Object.keys(to).flatMap((key) =>
    from[key] === to[key] ? [] : [`${key} ${from[key] ?? 'none'} -> ${to[key] ?? 'none'}`],
  );
}

/** Each list as texts; an item that differs is another one. */
function lists(
  { policies, health, hooks, rules }: Config,
  other: Config,
): Readonly<Record<string, readonly string[]>> {
  // A backend that comes or goes has its checks with it, most often those that nobody asked for.
  const stays = ({ wan }: CheckConfig) =>
    other.services.some((service) => service.backends.some((one) => backendName(service, one) === wan));
  return {
    policy: policies.given.map(policyText),
    set: policies.sets.map(setText),
    rule: policies.rules.map(ruleText),
    check: [...health.checks, ...health.serverChecks.filter(stays)].map(checkText),
    hook: hooks.files,
    lan: rules.lan,
    exclude: rules.exclude,
  };
}

/** Lists whose order says what holds. */
const ORDERED: ReadonlySet<string> = new Set(['rule', 'hook']);

function listLines(from: Config, to: Config): string[] {
  const before = lists(from, to);
  return Object.entries(lists(to, from)).flatMap(([key, now]) => {
    const was = before[key]!;
    const lines = [
      ...now.filter((one) => !was.includes(one)).map((one) => `+ ${key} ${one}`),
      ...was.filter((one) => !now.includes(one)).map((one) => `- ${key} ${one}`),
    ];
    const kept = (list: readonly string[], other: readonly string[]) =>
      list.filter((one) => other.includes(one)).join('\n');
    const moved = ORDERED.has(key) && kept(was, now) !== kept(now, was);
    return moved ? [...lines, `~ ${key} in another order`] : lines;
  });
}

/** A check with all that it says, for it is compared by it. */
function checkText(check: CheckConfig): string {
  const { wan, kind, targets, intervalMs, failIntervalMs, recoverIntervalMs, timeoutMs } = check;
  const { count, fall, rise, quorum, loss, latency, status, name } = check;
  const values: Record<string, string | number | undefined> = {
    to: [...new Set([...targets[4], ...targets[6]])].join('+'),
    interval: seconds(intervalMs),
    'fail-interval': failIntervalMs === intervalMs ? undefined : seconds(failIntervalMs),
    'recover-interval': recoverIntervalMs === intervalMs ? undefined : seconds(recoverIntervalMs),
    timeout: seconds(timeoutMs),
    count: count === 1 ? undefined : count,
    fall,
    rise,
    quorum,
    loss: loss && `${loss.down}/${loss.up}`,
    latency: latency && `${latency.down}/${latency.up}`,
    status: kind === 'http' ? status : undefined,
    name: kind === 'dns' ? name : undefined,
  };
  const given = Object.entries(values).filter(([, value]) => value !== undefined);
  return `${wan}=${[kind, ...given.map(([key, value]) => `${key}=${value}`)].join(',')}`;
}
