import { whyOf } from '../control/evidence.js';
import type {
  AheadStatus,
  FaultCounts,
  JudgedStatus,
  KernelStatus,
  MemberStatus,
  PolicyStatus,
  QueueStatus,
  ServiceStatus,
  Status,
  StickyStatus,
  TrafficStatus,
  WanStatus,
} from '../control/status.js';
import type { Standing } from '../core/states.js';
import { duration } from './duration.js';
import type { Line, Segment, Style } from './screen/line.js';
import { type Column, table } from './screen/table.js';
import { bytesText, percent, rateText } from './units.js';

/** The output of `status` for people, whose tables are no wider than `width`, as far as names allow. */
export function statusLines(status: Status, width: number): Line[] {
  const { wans, services, queues, ahead, serviceQueue, faults, serviceFaults } = status;
  const strategy = wans.length > 0 ? `, strategy ${status.strategy}` : '';
  const head = `wanmark ${status.pid}, up ${duration(status.uptimeSeconds)}${strategy}`;
  return [
    [head],
    ...(wans.length > 0 ? wanLines(status, width) : []),
    ...(wans.length > 0
      ? [
          ...(ahead ? aheadLines(ahead) : queues.map(queueLine)),
          ...faultLines(`strategy ${status.strategy}`, faults),
        ]
      : []),
    ...services.flatMap((service) => serviceLines(service, width)),
    ...(serviceQueue && serviceFaults
      ? [queueLine(serviceQueue), ...faultLines('strategies of services', serviceFaults)]
      : []),
    ...status.notes.map((note): Line => [note]),
  ];
}

/** The same where no daemon answers. */
export function kernelLines({ engine, wans, policies, notes }: KernelStatus, width: number): Line[] {
  const head =
    engine === 'kernel'
      ? 'engine kernel: the rules choose, by weight'
      : engine === 'ahead'
        ? 'no daemon answers: the choices of the last one go on, or else the rules choose, by weight; what was known of the WANs stays'
        : 'no daemon answers: the rules choose, by weight; what was known of the WANs stays';
  const columns = [...MEMBER_COLUMNS('WAN').filter(({ head: name }) => name !== 'picks' && name !== 'share')];
  const row = (wan: KernelStatus['wans'][number]): Segment[] => [
    wan.name,
    stateCell(wan.state),
    String(wan.weight),
    String(wan.tier),
    String(wan.connections ?? '-'),
    percent(wan.target),
  ];
  return [
    [head],
    ...table(columns, wans.map(row), width),
    ...wans.flatMap(({ name, state, since, reason }): Line[] =>
      reason === null ? [] : [[since === null ? `${name}: ${reason}` : standing(name, state, since, reason)]],
    ),
    ...trafficLines(wans, width),
    ...policies.flatMap(({ name, none, wans: those }) => [
      [`policy ${name}, without a WAN: ${none}`],
      ...table(
        [{ head: 'WAN', left: true }, { head: 'weight' }, { head: 'tier' }, { head: 'target' }],
        those.map((one) => [one.name, String(one.weight), String(one.tier), percent(one.target)]),
        width,
      ),
    ]),
    ...notes.map((note): Line => [note]),
  ];
}

const STYLES: Readonly<Record<Standing, Style>> = {
  up: 'good',
  drain: 'quiet',
  suspected: 'warn',
  down: 'bad',
};

/** A state, with its colour. */
export function stateCell(state: Standing): Segment {
  return { text: state, style: STYLES[state] };
}

const MEMBER_COLUMNS = (what: string): Column[] => [
  { head: what, left: true },
  { head: 'state', left: true },
  { head: 'weight' },
  { head: 'tier', drop: 2 },
  { head: 'conns' },
  { head: 'picks', drop: 3 },
  { head: 'share', drop: 1 },
  { head: 'target' },
];

function memberRow({
  name,
  state,
  weight,
  tier,
  connections,
  picks,
  share,
  target,
}: MemberStatus): Segment[] {
  return [
    name,
    stateCell(state),
    String(weight),
    String(tier),
    String(connections ?? '-'),
    String(picks),
    percent(share),
    percent(target),
  ];
}

function wanLines(status: Status, width: number): Line[] {
  const { wans, sticky, policies } = status;
  return [
    ...table(MEMBER_COLUMNS('WAN'), wans.map(memberRow), width),
    ...wans.flatMap(uplinkLines),
    ...wans.flatMap(checkLines),
    ...wans.flatMap(weightLines),
    ...trafficLines(wans, width),
    ...stickyLines(sticky),
    ...policies.filter(({ wans: those }) => those.length > 0).flatMap((one) => policyLines(one, width)),
  ];
}

/** What goes by each WAN, and went by it; none where nothing was counted. */
function trafficLines(
  wans: readonly (Pick<WanStatus, 'name' | 'dev'> & { readonly traffic: TrafficStatus | null })[],
  width: number,
): Line[] {
  const counted = wans.flatMap(({ name, dev, traffic }) =>
    traffic === null ? [] : [{ name, dev, traffic }],
  );
  if (counted.length === 0) return [];
  const columns: Column[] = [
    { head: 'WAN', left: true },
    { head: 'device', left: true, drop: 1 },
    { head: 'in' },
    { head: 'out' },
    { head: 'bytes in' },
    { head: 'bytes out' },
  ];
  const rows = counted.map(({ name, dev, traffic: { inBytes, outBytes, ...rates } }) => [
    name,
    dev,
    rateText(rates.inBitsPerSecond),
    rateText(rates.outBitsPerSecond),
    bytesText(inBytes),
    bytesText(outBytes),
  ]);
  return table(columns, rows, width);
}

/** How a policy keeps its clients: `sticky by src for 1 h 0 min: 40 clients, 312 hits, 2 moves, 0 evictions`. */
function stickyLines(sticky: StickyStatus | null): Line[] {
  if (sticky === null) return [];
  const { by, forSeconds, bound, clients, hits, moves, evictions, kernel } = sticky;
  const limit = bound === null ? '' : ` up to ${bound} times a WAN's share`;
  const counts = `${clients} ${by === 'src' ? 'clients' : 'pairs'}, ${hits} hits, ${moves} moves, ${evictions} evictions`;
  const copy = kernel ? '' : '; the kernel has no copy';
  return [[`sticky by ${by} for ${duration(forSeconds)}${limit}: ${counts}${copy}`]];
}

/** The WANs of a policy. Their live connections are in the table of all, since they do not know by which policy they came. */
function policyLines({ name, strategy, none, sticky, wans }: PolicyStatus, width: number): Line[] {
  const columns = MEMBER_COLUMNS('WAN');
  const isConnections = (i: number) => columns[i]!.head === 'conns';
  return [
    [`policy ${name}, strategy ${strategy}, without a WAN: ${none}`],
    ...table(
      columns.filter((_, i) => !isConnections(i)),
      wans.map((wan) => memberRow(wan).filter((_, i) => !isConnections(i))),
      width,
    ),
    ...stickyLines(sticky),
  ];
}

/** Since when each WAN is in its state, and why: one line, or one for each family where these differ. */
function uplinkLines(judged: JudgedStatus): Line[] {
  const { name, state, since, warmUp, families } = judged;
  const differ = families.some((one) => one.state !== families[0]!.state);
  if (differ) {
    return families.map(
      (one): Line => [standing(`${name} IPv${one.family}`, one.state, one.since, one.reason)],
    );
  }
  return [[standing(name, state, since, whyOf(judged)) + warming(warmUp)]];
}

/** What each check found in its last round: `fibre: ping 1.1.1.1: 12 ms, 0.0 % lost in a minute, 2 s ago`. */
function checkLines({ name, checks }: Pick<JudgedStatus, 'name' | 'checks'>): Line[] {
  return checks.map(({ kind, targets, at, answered, rttMs, loss, unknown }): Line => {
    const all = answered === targets.length ? '' : `${answered} of ${targets.length} answered, `;
    const time = rttMs === null ? '' : `${rttMs} ms, `;
    const ago = duration(Math.max(0, (Date.now() - Date.parse(at)) / 1000));
    const nothing = unknown === null ? '' : `not known, ${unknown}; `;
    const lost = `${percent(loss)} lost in a minute`;
    return [`${name}: ${kind} ${targets.join(', ')}: ${nothing}${all}${time}${lost}, ${ago} ago`];
  });
}

/** The weights that `wanmark set` changed. A WAN that it holds down shows that in its reason. */
function weightLines({ name, weight, configuredWeight }: JudgedStatus): Line[] {
  if (configuredWeight === undefined) return [];
  return [[`${name}: weight ${weight} by wanmark set, ${configuredWeight} by the configuration`]];
}

function standing(name: string, state: string, since: string, why: string): string {
  const seconds = Math.max(0, (Date.now() - Date.parse(since)) / 1000);
  return `${name}: ${state} for ${duration(seconds)}, ${why}`;
}

function warming(warmUp: number | null): string {
  return warmUp === null ? '' : `; warming up, ${percent(warmUp)} of its share`;
}

function serviceLines({ name, listen, strategy, backends }: ServiceStatus, width: number): Line[] {
  return [
    [`service ${name}, ${listen}, strategy ${strategy}`],
    ...table(MEMBER_COLUMNS('backend'), backends.map(memberRow), width),
    ...backends.flatMap((backend) => (backend.reason === 'not checked' ? [] : uplinkLines(backend))),
    ...backends.flatMap(checkLines),
    ...backends.flatMap(weightLines),
  ];
}

function queueLine(queue: QueueStatus): Line {
  const known = (value: number | null) => value ?? '-';
  return [
    `queue ${queue.num}: ${queue.verdicts} verdicts, ${queue.kernelDecided} left to the kernel, ` +
      `${known(queue.waiting)} waiting, ${known(queue.dropped)} dropped, ${known(queue.userDropped)} dropped at the socket`,
  ];
}

function aheadLines({ writes, failure, lost }: AheadStatus): Line[] {
  return [
    [
      `engine ahead: choices written ${writes} times into the rules${failure === null ? '' : '; not the latest'}`,
    ],
    ...(failure === null
      ? []
      : [[{ text: 'the kernel chooses by itself', style: 'bad' } as const, `: ${failure}`]]),
    ...(lost === 0
      ? []
      : [[`the mark log is not whole: ${lost} times more connections began than could be told of`]]),
  ];
}

function faultLines(who: string, { threw, noCandidate, late }: FaultCounts): Line[] {
  if (threw + noCandidate + late === 0) return [];
  return [[`${who}: threw ${threw} times, no candidate ${noCandidate} times, late ${late} times`]];
}
