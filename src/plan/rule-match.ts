import type { Addresses } from '../config/match/address.js';
import type { RuleMatch } from '../config/match/match.js';
import type { TimeSpan } from '../config/match/time.js';
import type { Values } from '../config/match/values.js';
import { TCP, UDP } from '../core/protocol.js';
import type { PortRange } from '../core/service.js';
import type { Clause } from './clause.js';
import type { Match } from './plan.js';
import { setAlternatives } from './rule-sets.js';
import type { Scene } from './scene.js';

/** The conditions of a rule: all of `all`, and every clause. */
export interface Conditions {
  readonly all: readonly Match[];
  readonly clauses: readonly Clause[];
}

/** The most slots of a multiport match; a range takes two (XT_MULTI_PORTS). */
const MOST_PORTS = 15;

/**
 * The conditions of a rule in one family; undefined where nothing can match there.
 * @param own whether they are for the router's own packets, or else for those of others
 */
export function conditionsOf(match: RuleMatch, scene: Scene, own: boolean): Conditions | undefined {
  if (match.family !== undefined && match.family !== scene.family) return undefined;
  const isForOwn = match.own === true || match.uid !== undefined;
  if (own ? match.own === false || match.in || match.mac : isForOwn) return undefined;
  // Without `--own` only rules that name them lead the router's own connections.
  if (own && !isForOwn && !scene.config.rules.own) return undefined;
  const sets = match.set && setAlternatives(match.set, scene);
  if (match.set !== undefined && sets === undefined) return undefined;
  const clauses: (Clause | undefined)[] = [
    // What costs least, and says most, comes first.
    each(match.in, (device) => ({ kind: 'in', device })),
    protocols(match),
    each(match.from, (one) => address('source', one)),
    each(match.to, (one) => address('destination', one)),
    each(match.mac, (one) => ({ kind: 'mac', address: one })),
    sets,
    each(match.dscp, (value) => ({ kind: 'dscp', value })),
    each(match.fwmark, (bits) => ({ kind: 'mark', bits })),
    each(match.uid, (range) => ({ kind: 'user', ...range })),
    match.time && {
      any: spans(match.time, scene.facts.zones?.get(match.time.zone) ?? 0).map((one) => [one]),
    },
  ];
  const given = clauses.filter((clause) => clause !== undefined);
  const single = (clause: Clause) => clause.any.length === 1 && (!clause.not || clause.any[0]!.length === 1);
  const all: Match[] = [];
  const lists: Clause[] = [];
  for (const clause of given) {
    const { any, not } = clause;
    if (!single(clause) || !fitsBeside(all, clause)) lists.push(clause);
    else all.push(...(not ? any[0]!.map(negated) : any[0]!));
  }
  return { all, clauses: lists };
}

/** Whether one rule can ask for these conditions and for any of a clause's: iptables takes one -s and one -d. */
export function fitsBeside(all: readonly Match[], { any }: Clause): boolean {
  const taken = new Set(
    all.map(({ kind }) => kind).filter((kind) => kind === 'source' || kind === 'destination'),
  );
  return any.every((when) => when.every(({ kind }) => !taken.has(kind as 'source' | 'destination')));
}

function negated(match: Match): Match {
  return { ...match, not: true } as Match;
}

function each<T>(values: Values<T> | undefined, condition: (value: T) => Match): Clause | undefined {
  return values && { any: values.any.map((value) => [condition(value)]), ...(values.not && { not: true }) };
}

function address(side: 'source' | 'destination', { kind, text }: Addresses): Match {
  return kind === 'range' ? { kind: `${side}-range`, range: text } : { kind: side, network: text };
}

/** The protocols with their ports, which are asked together. */
function protocols({ proto, sport, dport }: RuleMatch): Clause | undefined {
  if (proto === undefined) return undefined;
  if (proto.not) return each(proto, (number) => ({ kind: 'protocol', number }));
  const sources = portMatches('source-ports', sport);
  const destinations = portMatches('destination-ports', dport);
  const any = proto.any.flatMap((number) =>
    sources.flatMap((source) =>
      destinations.map((destination): Match[] => [
        { kind: 'protocol', number },
        ...[...source, ...destination].map((match) => withProtocol(match, number)),
      ]),
    ),
  );
  return { any };
}

function withProtocol(match: PortMatch, number: number): PortMatch {
  const proto = number === TCP ? 'tcp' : number === UDP ? 'udp' : undefined;
  return proto !== undefined && match.ports.length === 1 ? { ...match, proto } : match;
}

type PortMatch = Extract<Match, { kind: 'source-ports' | 'destination-ports' }>;

/** Alternatives, each a list of matches that must all hold. */
function portMatches(kind: PortMatch['kind'], values: Values<PortRange> | undefined): PortMatch[][] {
  if (values === undefined) return [[]];
  const parts: PortRange[][] = [];
  let room = 0;
  for (const range of values.any) {
    const slots = range.low === range.high ? 1 : 2;
    if (slots > room) {
      parts.push([]);
      room = MOST_PORTS;
    }
    parts.at(-1)!.push(range);
    room -= slots;
  }
  if (values.not) return [parts.map((ports) => ({ kind, ports, not: true }))];
  return parts.map((ports) => [{ kind, ports }]);
}

const DAY = 1440;
const WEEK = 7 * DAY;

/**
 * A span as stretches of one day each, in UTC: a night is two, and a zone may move either to another day.
 * @param ahead how many minutes the zone is before UTC
 */
export function spans({ days, from, to }: TimeSpan, ahead: number): Extract<Match, { kind: 'time' }>[] {
  const length = to > from ? to - from : to + DAY - from;
  const pieces = days.flatMap((day) => {
    const start = (((day * DAY + from - ahead) % WEEK) + WEEK) % WEEK;
    const inDay = start % DAY;
    const first = Math.floor(start / DAY);
    const head = { day: first, from: inDay, to: Math.min(inDay + length, DAY) };
    return inDay + length <= DAY
      ? [head]
      : [head, { day: (first + 1) % 7, from: 0, to: inDay + length - DAY }];
  });
  const byHours = new Map<string, { days: number[]; from: number; to: number }>();
  for (const { day, ...hours } of pieces) {
    const key = `${hours.from}-${hours.to}`;
    const known = byHours.get(key) ?? { days: [], ...hours };
    known.days.push(day);
    byHours.set(key, known);
  }
  return [...byHours.values()].map((one) => ({
    kind: 'time',
    days: one.days.toSorted((a, b) => a - b),
    from: one.from * 60,
    to: one.to * 60 - 1,
  }));
}
