import { whyOf } from '../../control/evidence.js';
import { connectionLines } from '../connections-text.js';
import { duration } from '../duration.js';
import { eventText } from '../event-text.js';
import { clip, type Line, lineText, lineWidth, type Segment, wrap } from '../screen/line.js';
import { table } from '../screen/table.js';
import { stateCell } from '../status-text.js';
import { rateText } from '../units.js';
import { type Canvas, type Shown, shownOf, type TopModel } from './model.js';
import { sparkline } from './sparkline.js';

/** A sparkline that is narrower shows nothing. */
const LEAST_SPARK = 8;
/** A terminal with fewer lines shows the beginning of long ones. */
const LEAST_BROKEN = 16;
const KEYS = 'q quit  up/down choose  d drain  s set down  u up again  c connections';
const LIST_KEYS = 'q quit  b back  up/down scroll';

/** The lines of the screen: as many as the terminal has at most, and none wider. Pure. */
export function render(model: TopModel, canvas: Canvas): Line[] {
  const { columns, rows } = canvas;
  const foot: Line[] = [footer(model)];
  const head: Line[] = [header(model)];
  const room = Math.max(0, rows - head.length - foot.length);
  const body = model.connections === undefined ? wanBody(model, canvas, room) : listBody(model, room);
  const filler: Line[] = Array.from({ length: Math.max(0, room - body.length) }, () => []);
  const lines = [...head, ...body.slice(0, room), ...filler, ...foot].map((line) => clip(line, columns));
  // On a terminal of one line, the head says more than the keys.
  return lines.slice(0, Math.max(0, rows));
}

function header({ status, failure, now }: TopModel): Line {
  const clock = new Date(now).toTimeString().slice(0, 8);
  if (status === undefined)
    return [{ text: `wanmark  ${failure ?? 'asking the daemon'}  ${clock}`, style: 'bold' }];
  const { pid, uptimeSeconds, strategy } = status;
  const known = `wanmark ${pid}  up ${duration(uptimeSeconds)}  ${strategy}`;
  if (failure === undefined) return [{ text: `${known}  ${clock}`, style: 'bold' }];
  const age = duration(Math.max(0, (now - Date.parse(status.at)) / 1000));
  return [{ text: `no daemon answers for ${age}; this is what was known  ${clock}`, style: 'bad' }];
}

function footer({ question, said, connections }: TopModel): Line {
  if (question !== undefined) return [{ text: `${question} y/n`, style: 'head' }];
  if (said !== undefined) return [said];
  return [{ text: connections === undefined ? KEYS : LIST_KEYS, style: 'quiet' }];
}

/** The WANs, what is known of the chosen one, and the last events in what is left. */
function wanBody(model: TopModel, canvas: Canvas, room: number): Line[] {
  const { status, chosen, events } = model;
  if (status === undefined) return [];
  const wans = shownOf(status);
  const marked = wans[chosen]?.name;
  // A line for the heads, one for the chosen WAN, and two for events, where there is room for them.
  const most = Math.max(1, room - 2 - (room > 8 ? 3 : 0));
  const first = Math.min(Math.max(0, chosen - most + 1), Math.max(0, wans.length - most));
  const shown = wans.slice(first, first + most);
  const lines: Line[] = [
    ...wanTable(model, shown, marked, canvas),
    ...(wans[chosen] === undefined ? [] : broken(chosenLine(wans[chosen], model.now), canvas)),
    ...status.notes.flatMap((note) => broken([{ text: note, style: 'warn' }], canvas)),
  ];
  const left = room - lines.length - 1;
  if (left < 1 || events.length === 0) return lines;
  return [...lines, [{ text: 'events', style: 'bold' }], ...events.slice(-left).map(eventRow)];
}

function wanTable(
  { rates }: TopModel,
  shown: readonly Shown[],
  marked: string | undefined,
  canvas: Canvas,
): Line[] {
  const { columns, utf8 } = canvas;
  const lines = table(
    [
      { head: ' ', left: true },
      { head: shown.some(({ isWan }) => isWan) ? 'WAN' : 'backend', left: true },
      { head: 'state', left: true },
      { head: 'in' },
      { head: 'out' },
      { head: 'conns', drop: 3 },
      { head: 'RTT', drop: 2 },
      { head: 'loss', drop: 1 },
    ],
    shown.map((wan): Segment[] => [
      wan.name === marked ? '>' : ' ',
      wan.name === marked ? { text: wan.name, style: 'bold' } : wan.name,
      stateCell(wan.state),
      rateText(wan.traffic?.inBitsPerSecond),
      rateText(wan.traffic?.outBitsPerSecond),
      String(wan.connections ?? '-'),
      ...measured(wan),
    ]),
    columns,
  );
  const room = columns - Math.max(...lines.map(lineWidth)) - 2;
  if (room < LEAST_SPARK || !shown.some(({ isWan }) => isWan)) return lines;
  const [heads, ...rows] = lines;
  const pad = (line: Line): Line => [...line, ' '.repeat(columns - room - lineWidth(line))];
  return [
    [...pad(heads!), { text: 'ten minutes'.slice(0, room), style: 'bold' }],
    ...rows.map((line, i): Line => {
      const values = rates.get(shown[i]!.name) ?? [];
      return [...pad(line), sparkline(values, Math.min(room, 60), utf8)];
    }),
  ];
}

/** The shortest round trip of the last rounds, and the highest loss. */
function measured({ checks }: Shown): [string, string] {
  const times = checks.flatMap(({ rttMs }) => (rttMs === null ? [] : [rttMs]));
  const least = Math.min(...times);
  const rtt = times.length === 0 ? '-' : `${least < 1 ? least : Math.round(least)} ms`;
  if (checks.length === 0) return [rtt, '-'];
  const loss = Math.max(...checks.map((check) => check.loss));
  return [rtt, `${(100 * loss).toFixed(0)} %`];
}

function chosenLine(wan: Shown, now: number): Line {
  const lasts = duration(Math.max(0, (now - Date.parse(wan.since)) / 1000));
  const weight = wan.configuredWeight === undefined ? `weight ${wan.weight}` : `weight ${wan.weight} by hand`;
  return [
    `${wan.name}: `,
    { text: wan.state, style: 'bold' },
    ` for ${lasts}, ${whyOf(wan)}; ${weight}, tier ${wan.tier}`,
  ];
}

/** A line in as many as it needs, where the terminal has room for more than the WANs. What is to be done stands at its end. */
function broken(line: Line, { columns, rows }: Canvas): Line[] {
  const text = lineText(line, false);
  if (rows < LEAST_BROKEN || lineWidth(line) <= columns) return [line];
  const style = line.map((segment) => (typeof segment === 'string' ? undefined : segment.style))[0];
  return wrap(text, columns).map((one) => (style === undefined ? [one] : [{ text: one, style }]));
}

function eventRow(event: TopModel['events'][number]): Line {
  const clock = new Date(event.at).toTimeString().slice(0, 8);
  return [{ text: clock, style: 'quiet' }, ` ${eventText(event)}`];
}

function listBody({ connections, now }: TopModel, room: number): Line[] {
  const { wan, list, from } = connections!;
  if (list === undefined) return [[`asking for the connections of ${wan}`]];
  const lines = connectionLines(list, now);
  const first = Math.min(from, Math.max(0, lines.length - room));
  return lines.slice(first, first + room);
}
