import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Line, lineText, lineWidth } from '#wanmark/cli/screen/line.js';
import { keysOf } from '#wanmark/cli/top/keys.js';
import type { TopModel } from '#wanmark/cli/top/model.js';
import { render } from '#wanmark/cli/top/render.js';
import { Series } from '#wanmark/cli/top/series.js';
import { hasUtf8, sparkline } from '#wanmark/cli/top/sparkline.js';
import type { StatusV1, WanStatus } from '#wanmark/control/status.js';
import type { Event } from '#wanmark/core/event.js';
import { busyWan, checkStatusOf } from '../../helpers/status-sample.js';

const NOW = new Date(2026, 10, 30, 15, 4, 5).getTime();
const ago = (seconds: number) => new Date(NOW - 1000 * seconds).toISOString();

function wan(name: string, change: Partial<WanStatus> = {}): WanStatus {
  const ping = checkStatusOf({ targets: ['a', 'b', 'c'], at: ago(1), probes: [] });
  return busyWan(name, ago(7300), { share: 0.8, target: 0.8, checks: [ping], ...change });
}

const event = (number: number): Event => ({ number, at: ago(60), kind: 'rules', error: `event ${number}` });

function model(wans: readonly WanStatus[], change: Partial<TopModel> = {}): TopModel {
  const status = {
    pid: 402,
    uptimeSeconds: 3725,
    strategy: 'weighted',
    at: ago(0),
    wans,
    services: [],
    notes: [],
  };
  return {
    status: status as unknown as StatusV1,
    failure: undefined,
    rates: new Map(wans.map(({ name }) => [name, Array.from({ length: 60 }, (_, i) => i)])),
    events: [1, 2, 3].map(event),
    chosen: 0,
    connections: undefined,
    question: undefined,
    said: undefined,
    now: NOW,
    ...change,
  };
}

const canvas = (columns: number, rows: number) => ({ columns, rows, utf8: true });
const texts = (lines: readonly Line[]) => lines.map((line) => lineText(line, false));

const FIBRE = wan('fibre');
const LTE = wan('lte', {
  state: 'suspected',
  checks: [],
  traffic: null,
  connections: null,
  reason: 'no answers',
});

describe('the screen of top', () => {
  it('shows WANs with rates, connections, RTT, loss and ten minutes, the chosen one, events and keys', () => {
    const lines = texts(render(model([FIBRE, LTE]), canvas(80, 24)));
    assert.equal(lines.length, 24);
    assert.deepEqual(lines.slice(0, 8), [
      'wanmark 402  up 1 h 2 min  weighted  15:04:05',
      '   WAN    state             in        out  conns   RTT  loss  ten minutes',
      `>  fibre  up         94.2 Mb/s  12.1 Mb/s    412  8 ms   0 %  ${lines[2]!.slice(62)}`,
      '   lte    suspected          -          -      -     -     -  '.concat(lines[3]!.slice(62)),
      'fibre: up for 2 h 1 min, 3 targets, 8.1 ms, 0 % loss; weight 5, tier 1',
      'events',
      '15:03:05 rules: event 1',
      '15:03:05 rules: event 2',
    ]);
    assert.match(lines[2]!, /▁.*█$/);
    assert.match(lines.at(-1)!, /^q quit .* d drain {2}s set down {2}u up again {2}c connections$/);
  });

  it('has the whole of a reason and of a note where there is room, to the end, which says what to do', () => {
    const notes = [
      `the rules are those of another configuration (${'~ a weight 1 -> 2, '.repeat(6)}); reload`,
    ];
    const dead = wan('dsl', { state: 'down', reason: `${'very '.repeat(20)}dead` });
    const it = model([FIBRE, dead], { chosen: 1 });
    const status = { ...it.status!, notes };
    const screen = (rows: number) => texts(render({ ...it, status }, canvas(80, rows))).join('\n');
    assert.match(screen(24), /very\n {2}very [\s\S]*dead; weight 5, tier 1\n[\s\S]*\); reload\nevents\n/);
    assert.doesNotMatch(screen(10), /reload/);
  });

  it('shows the servers of services behind the WANs, or alone, by the names that set knows', () => {
    const { traffic, dev, ...backend } = wan('10.0.0.2:80', { state: 'drain', weight: 0 });
    const services = [{ name: 'web', listen: '192.0.2.9:80/tcp', strategy: 'weighted', backends: [backend] }];
    const screen = (wans: readonly WanStatus[], chosen: number) => {
      const it = model(wans, { chosen });
      return texts(render({ ...it, status: { ...it.status!, services } }, canvas(80, 24)));
    };
    const both = screen([FIBRE], 1);
    assert.match(both[2]!, /^ {3}fibre {12}up +94\.2 Mb\/s/);
    assert.match(both[3]!, /^> {2}web\/10\.0\.0\.2:80 {2}drain +- +- +412 {2}8 ms {3}0 %/);
    const alone = screen([], 0);
    assert.match(alone[1]!, /^ {3}backend +state +in +out +conns +RTT {2}loss$/);
    assert.match(alone[3]!, /^web\/10\.0\.0\.2:80: drain for 2 h 1 min/);
  });

  it('shows a round trip of less than a millisecond as what it is', () => {
    const near = wan('fibre', { checks: [checkStatusOf({ rttMs: 0.4 })] });
    assert.match(texts(render(model([near]), canvas(80, 24)))[2]!, / 0\.4 ms /);
  });

  it('fits any size, whatever it has to show', () => {
    const many = Array.from({ length: 30 }, (_, i) => wan(`a-long-name-${i}`, { reason: 'x'.repeat(300) }));
    for (const wans of [[], [FIBRE], [FIBRE, LTE], many]) {
      for (const columns of [1, 2, 10, 40, 79, 80, 200]) {
        for (const rows of [0, 1, 2, 3, 5, 10, 24, 60]) {
          for (const chosen of [0, Math.max(0, wans.length - 1)]) {
            const lines = render(model(wans, { chosen }), canvas(columns, rows));
            assert.equal(lines.length, rows, `${columns}x${rows}`);
            const widest = Math.max(0, ...lines.map(lineWidth));
            assert.ok(widest <= columns, `${widest} in ${columns}x${rows}`);
          }
        }
      }
    }
  });

  it('always shows the chosen WAN', () => {
    const many = Array.from({ length: 30 }, (_, i) => wan(`wan${i}`));
    for (const chosen of [0, 7, 29]) {
      const lines = texts(render(model(many, { chosen }), canvas(40, 10)));
      assert.ok(
        lines.some((line) => line.startsWith(`>  wan${chosen} `)),
        lines.join('\n'),
      );
    }
  });

  it('leaves out columns where there is no room, and never the state', () => {
    const lines = texts(render(model([FIBRE]), canvas(40, 10)));
    assert.match(lines[1]!, /^ {3}WAN +state +in +out$/);
    assert.match(lines[2]!, /^> {2}fibre {2}up/);
  });

  it('says that no daemon answers, and since when, and keeps what was known', () => {
    const status = { ...model([FIBRE]).status!, at: ago(75) };
    const lines = texts(render(model([FIBRE], { status, failure: 'gone' }), canvas(80, 24)));
    assert.match(lines[0]!, /^no daemon answers for 1 min 15 s; this is what was known {2}15:04:05$/);
    assert.match(lines[2]!, /fibre {2}up/);
  });

  it('asks before it cuts, and says what was done', () => {
    const last = (change: Partial<TopModel>) => texts(render(model([FIBRE], change), canvas(80, 24))).at(-1);
    assert.equal(
      last({ question: 'drain fibre: no new connections?' }),
      'drain fibre: no new connections? y/n',
    );
    assert.equal(last({ said: 'fibre: weight 0 (drain), was 5' }), 'fibre: weight 0 (drain), was 5');
  });

  it('lists the connections of a WAN, and scrolls', () => {
    const connection = (sport: number) =>
      ({
        family: 4,
        proto: 'tcp',
        src: '10.0.0.1',
        sport,
        dst: '1.1.1.1',
        dport: 443,
        wan: 'fibre',
        policy: null,
        state: 'ESTABLISHED',
        since: ago(5),
        bytes: null,
      }) as const;
    const list = {
      api: 1,
      found: 20,
      connections: Array.from({ length: 20 }, (_, i) => connection(i + 1)),
    } as const;
    const shown = (from: number) =>
      texts(render(model([FIBRE], { connections: { wan: 'fibre', list, from } }), canvas(80, 12)));
    assert.match(shown(0)[1]!, /^tcp 10\.0\.0\.1:1 ->/);
    assert.match(shown(4)[1]!, /^tcp 10\.0\.0\.1:3 ->/);
    assert.match(shown(1000).join('\n'), /\n20 connections\n/, 'the end');
    assert.equal(shown(0).length, 12);
    const waiting = texts(
      render(model([FIBRE], { connections: { wan: 'fibre', list: undefined, from: 0 } }), canvas(80, 12)),
    );
    assert.equal(waiting[1], 'asking for the connections of fibre');
  });
});

describe('a sparkline', () => {
  it('has bars as high as values are to the highest, and gaps', () => {
    assert.equal(sparkline([0, 50, 100, null, 25], 10, true), '▁▅█ ▃');
    assert.equal(sparkline([0, 50, 100, null, 25], 10, false), '_+@ -');
    assert.equal(sparkline([0, 0], 10, true), '▁▁', 'nothing is low and not high');
    assert.equal(sparkline([], 10, true), '');
    assert.equal(sparkline([1, 2], 0, true), '');
  });

  it('has averages where there is not enough room', () => {
    const values = Array.from({ length: 60 }, (_, i) => i);
    for (const width of [1, 7, 19, 59, 60, 100]) assert.ok(sparkline(values, width, true).length <= width);
    assert.equal(sparkline([0, 0, 8, 8], 2, true), '▁█');
  });

  it('has blocks where the locale has them', () => {
    assert.equal(hasUtf8({ LANG: 'en_US.UTF-8' }), true);
    assert.equal(hasUtf8({ LANG: 'en_US.UTF-8', LC_ALL: 'C' }), false);
    assert.equal(hasUtf8({ LC_CTYPE: 'C.utf8' }), true);
    assert.equal(hasUtf8({}), false);
  });
});

describe('the rates of ten minutes', () => {
  const history = (rates: readonly (number | null)[]) => ({
    stepSeconds: 10,
    in: rates,
    out: rates.map((rate) => rate && 1),
  });

  it('are those of the daemon, both directions together', () => {
    const series = new Series();
    series.add(history([null, 5, 7]), 1_000_000);
    assert.deepEqual(series.values(1_000_000).slice(-3), [null, 6, 8]);
    assert.equal(series.values(1_000_000).length, 60);
  });

  it('stay where a daemon that was started anew does not know them', () => {
    const series = new Series();
    series.add(history([4, 5, 7]), 1_000_000);
    series.add(history([null, null, 9]), 1_030_000);
    assert.deepEqual(series.values(1_030_000).slice(-6), [5, 6, 8, null, null, 10]);
    series.add(history([null]), 1_000_000 + 700_000);
    assert.ok(
      series.values(1_700_000).every((rate) => rate === null),
      'and are forgotten after ten minutes',
    );
  });

  it('move on while no daemon answers', () => {
    const series = new Series();
    series.add(history([7]), 1_000_000);
    assert.deepEqual(series.values(1_020_000).slice(-3), [8, null, null]);
  });
});

describe('keys', () => {
  it('are told from what a terminal sends, one or several at once', () => {
    assert.deepEqual(keysOf('\x1b[A\x1bOBjkq'), ['up', 'down', 'down', 'up', 'quit']);
    assert.deepEqual(keysOf('d'), ['drain']);
    assert.deepEqual(keysOf('\x03'), ['quit']);
    assert.deepEqual(keysOf('\x1b'), ['back']);
    assert.deepEqual(keysOf('\x1b[1;5Cx\x1b[5~'), ['other', 'other', 'other']);
    assert.deepEqual(keysOf('constructor').includes('quit'), false);
    assert.deepEqual(keysOf(''), []);
  });
});
