import Table from 'cli-table3';
import type {
  FaultCounts,
  JudgedStatus,
  MemberStatus,
  PolicyStatus,
  QueueStatus,
  ServiceStatus,
  Status,
  StickyStatus,
} from '../control/status.js';
import { duration } from './duration.js';

/** The output of `status` for people. */
export function statusTable(status: Status): string {
  const { wans, services, queues, serviceQueue, faults, serviceFaults } = status;
  const withWans =
    wans.length > 0
      ? [
          wanTable(status),
          ...status.wans.flatMap(uplinkLines),
          ...status.wans.flatMap(checkLines),
          ...status.wans.flatMap(weightLines),
          ...stickyLines(status.sticky),
          ...status.policies.filter(({ wans: those }) => those.length > 0).map(policyTable),
          ...queues.map(queueLine),
          ...faultLines(`strategy ${status.strategy}`, faults),
        ]
      : [];
  const withServices =
    serviceQueue && serviceFaults
      ? [
          ...services.map(serviceTable),
          queueLine(serviceQueue),
          ...faultLines('strategies of services', serviceFaults),
        ]
      : [];
  const strategy = wans.length > 0 ? `, strategy ${status.strategy}` : '';
  const head = `wanmark ${status.pid}, up ${duration(status.uptimeSeconds)}${strategy}`;
  return [head, ...withWans, ...withServices, ...status.notes, ''].join('\n');
}

/** A rule of the configuration and what it took. */
export interface RuleLine {
  readonly rule: number;
  readonly policy: string;
  readonly match: string;
  readonly connections: number;
  /** ISO 8601; null where that is not known. */
  readonly since: string | null;
}

/** The output of `status rules` for people. */
export function rulesTable(rules: readonly RuleLine[]): string {
  if (rules.length === 0) return 'no rules';
  const table = newTable(['rule', 'match', 'policy', 'connections', 'in the last'], ['match', 'policy']);
  for (const { rule, match, policy, connections, since } of rules) {
    const seconds = since === null ? undefined : Math.max(0, (Date.now() - Date.parse(since)) / 1000);
    table.push([
      rule,
      match || 'everything',
      policy,
      connections,
      seconds === undefined ? '-' : duration(seconds),
    ]);
  }
  return table.toString();
}

const CONNECTION_HEADS = ['connections', 'decisions', 'share', 'target'];

function newTable(head: string[], left: readonly string[]) {
  return new Table({
    head,
    colAligns: head.map((name) => (left.includes(name) ? 'left' : 'right')),
    style: { head: [], border: [] },
    // A line between the head and the rows would be drawn between all rows.
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
}

function connectionCells({ connections, picks, share, target }: MemberStatus) {
  return [connections ?? '-', picks, percent(share), percent(target)];
}

function wanTable(status: Status): string {
  const head = ['WAN', 'mark', 'device', 'state', 'weight', 'tier', ...CONNECTION_HEADS];
  const table = newTable(head, ['WAN', 'device', 'state']);
  for (const wan of status.wans) {
    table.push([wan.name, wan.mark, wan.dev, wan.state, wan.weight, wan.tier, ...connectionCells(wan)]);
  }
  return table.toString();
}

/** How a policy keeps its clients: `sticky by src for 1 h 0 min: 40 clients, 312 hits, 2 moves, 0 evictions`. */
function stickyLines(sticky: StickyStatus | null): string[] {
  if (sticky === null) return [];
  const { by, forSeconds, bound, clients, hits, moves, evictions, kernel } = sticky;
  const limit = bound === null ? '' : ` up to ${bound} times a WAN's share`;
  const counts = `${clients} ${by === 'src' ? 'clients' : 'pairs'}, ${hits} hits, ${moves} moves, ${evictions} evictions`;
  return [
    `sticky by ${by} for ${duration(forSeconds)}${limit}: ${counts}${kernel ? '' : '; the kernel has no copy'}`,
  ];
}

/** The WANs of a policy. Their live connections are in the table of all, since they do not know by which policy they came. */
function policyTable({ name, strategy, none, sticky, wans }: PolicyStatus): string {
  const table = newTable(
    ['WAN', 'state', 'weight', 'tier', 'decisions', 'share', 'target'],
    ['WAN', 'state'],
  );
  for (const { name: wan, state, weight, tier, picks, share, target } of wans) {
    table.push([wan, state, weight, tier, picks, percent(share), percent(target)]);
  }
  const head = `policy ${name}, strategy ${strategy}, without a WAN: ${none}`;
  return [head, table.toString(), ...stickyLines(sticky)].join('\n');
}

/** Why each WAN is in its state: one line, or one for each family where these differ; none where nobody has looked. */
function uplinkLines({ name, state, since, reason, warmUp, families }: JudgedStatus): string[] {
  const differ = families.some((one) => one.state !== families[0]!.state);
  if (differ) return families.map((one) => uplinkLine(`${name} IPv${one.family}`, one));
  return state === 'up' && reason === 'not checked'
    ? []
    : [uplinkLine(name, { state, since, reason }) + warming(warmUp)];
}

/** What each check found in its last round: `fibre: ping 1.1.1.1: 12 ms, 0.0 % lost in a minute, 2 s ago`. */
function checkLines({ name, checks }: Pick<JudgedStatus, 'name' | 'checks'>): string[] {
  return checks.map(({ kind, targets, at, answered, rttMs, loss, unknown }) => {
    const all = answered === targets.length ? '' : `${answered} of ${targets.length} answered, `;
    const time = rttMs === null ? '' : `${rttMs} ms, `;
    const ago = duration(Math.max(0, (Date.now() - Date.parse(at)) / 1000));
    const nothing = unknown === null ? '' : `not known, ${unknown}; `;
    return `${name}: ${kind} ${targets.join(', ')}: ${nothing}${all}${time}${percent(loss)} lost in a minute, ${ago} ago`;
  });
}

/** The weights that `wanmark set` changed. A WAN that it holds down shows that in its reason. */
function weightLines({ name, weight, configuredWeight }: JudgedStatus): string[] {
  if (configuredWeight === undefined) return [];
  return [`${name}: weight ${weight} by wanmark set, ${configuredWeight} by the configuration`];
}

type Uplink = Pick<JudgedStatus, 'state' | 'since' | 'reason'>;

function uplinkLine(name: string, { state, since, reason }: Uplink): string {
  const seconds = Math.max(0, (Date.now() - Date.parse(since)) / 1000);
  return `${name}: ${state} for ${duration(seconds)}, ${reason}`;
}

function warming(warmUp: number | null): string {
  return warmUp === null ? '' : `; warming up, ${percent(warmUp)} of its share`;
}

function serviceTable({ name, listen, strategy, backends }: ServiceStatus): string {
  const head = ['backend', 'mark', 'state', 'weight', 'tier', ...CONNECTION_HEADS];
  const table = newTable(head, ['backend', 'state']);
  for (const backend of backends) {
    const { name: to, mark, state, weight, tier } = backend;
    table.push([to, mark, state, weight, tier, ...connectionCells(backend)]);
  }
  const lines = [
    ...backends.flatMap(uplinkLines),
    ...backends.flatMap(checkLines),
    ...backends.flatMap(weightLines),
  ];
  return [`service ${name}, ${listen}, strategy ${strategy}`, table.toString(), ...lines].join('\n');
}

function queueLine(queue: QueueStatus): string {
  const known = (value: number | null) => value ?? '-';
  return (
    `queue ${queue.num}: ${queue.verdicts} verdicts, ${queue.kernelDecided} left to the kernel, ` +
    `${known(queue.waiting)} waiting, ${known(queue.dropped)} dropped, ${known(queue.userDropped)} dropped at the socket`
  );
}

function faultLines(who: string, { threw, noCandidate, late }: FaultCounts): string[] {
  if (threw + noCandidate + late === 0) return [];
  return [`${who}: threw ${threw} times, no candidate ${noCandidate} times, late ${late} times`];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
