import type { Family } from '../../../core/family.js';
import { TCP, UDP } from '../../../core/protocol.js';
import type { PortRange } from '../../../core/service.js';
import type { IcmpError, MarkBits, Match, SetPlan } from '../../plan.js';
import { longHex, setName } from './names.js';

type SetMatch = Extract<Match, { set: string }>;

/** The words of a match: alternatives, each of which makes a rule of its own; none where nothing can match. */
export function matchWords(match: Match, family: Family, sets: ReadonlyMap<string, SetPlan>): string[] {
  return 'set' in match ? setWords(match, family, sets.get(match.set)) : [wordsOf(match, family)];
}

/** Whether a match asks a set that has a name, which is kept beside the chains. */
export function asksNamed({ kind }: SetMatch): boolean {
  return kind === 'source-in' || kind === 'destination-in' || kind === 'translated-in';
}

function setWords(match: SetMatch, family: Family, set: SetPlan | undefined): string[] {
  const not = match.not ? '!= ' : '';
  const elements = set?.elements ?? [];
  const anyOf = (words: string, quote: (element: string) => string) =>
    elements.length === 0 ? [] : [`${words} ${not}${oneOrSet([...new Set(elements)].map(quote))}`];
  switch (match.kind) {
    case 'source-in': {
      if (set === undefined) return [];
      const source = set.source.from === 'clients' ? clientWords(family) : `${ip(family)} saddr`;
      return [`${source} ${not}@${setName(family, match.set)}`];
    }
    case 'destination-in':
      return set === undefined ? [] : [`${ip(family)} daddr ${not}@${setName(family, match.set)}`];
    case 'translated-in':
      return set === undefined ? [] : [`ct reply ${ip(family)} daddr @${setName(family, match.set)}`];
    case 'in-in':
      return anyOf('iifname', device);
    case 'out-in':
      return anyOf('oifname', device);
    case 'mac-in':
      return anyOf('ether saddr', (address) => address.toLowerCase());
    case 'mark-in':
      // A mask of its own each.
      return elements.map((element) => {
        const [value, mask = '0xffffffff'] = element.split('/');
        return bitsWords('meta mark', { value: Number(value), mask: Number(mask) }, match.not === true);
      });
  }
}

function oneOrSet(elements: readonly string[]): string {
  return elements.length === 1 ? elements[0]! : `{ ${elements.join(', ')} }`;
}

/** The words of a match that uses no set. */
function wordsOf(match: Exclude<Match, SetMatch>, family: Family): string {
  const not = 'not' in match && match.not ? '!= ' : '';
  switch (match.kind) {
    case 'mark':
      return bitsWords('meta mark', match.bits, match.not === true);
    case 'connmark':
      return bitsWords('ct mark', match.bits, match.not === true);
    case 'in':
      return `iifname ${not}${device(match.device)}`;
    case 'out':
      return `oifname ${not}${device(match.device)}`;
    case 'source':
      return address(`${ip(family)} saddr`, match.network, match.not === true);
    case 'destination':
      return address(`${ip(family)} daddr`, match.network, match.not === true);
    case 'translated':
      return `ct reply ${ip(family)} daddr ${match.network}`;
    case 'source-range':
      return `${ip(family)} saddr ${not}${match.range}`;
    case 'destination-range':
      return `${ip(family)} daddr ${not}${match.range}`;
    case 'transport':
      return transport(match);
    case 'protocol':
      return `meta l4proto ${not}${match.number}`;
    case 'source-ports':
      return portWords('sport', match);
    case 'destination-ports':
      return portWords('dport', match);
    case 'mac':
      return `ether saddr ${not}${match.address.toLowerCase()}`;
    case 'dscp':
      return `${ip(family)} dscp ${not}${match.value}`;
    case 'time': {
      const days = match.days.length === 7 ? '' : `meta day ${oneOrSet(match.days.map(String))} `;
      return `${days}meta hour "${clock(match.from)}"-"${clock(match.to)}"`;
    }
    case 'user':
      return `meta skuid ${not}${match.low === match.high ? match.low : `${match.low}-${match.high}`}`;
    case 'ipsec':
      return match.direction === 'in' ? 'meta ipsec exists' : 'rt ipsec exists';
    case 'icmp':
      return icmp(match.family, match.error);
    case 'source-type':
      return `fib saddr type ${not}${match.type}`;
    case 'destination-type':
      return `fib daddr type ${not}${match.type}`;
    case 'state':
      return stateWords(match);
    case 'words':
    case 'in-ipset':
      throw new Error(`nft has no words for ${match.kind}`); // refused before
  }
}

/** Compares a masked field of a mark. */
export function bitsWords(what: 'meta mark' | 'ct mark', { value, mask }: MarkBits, not = false): string {
  return `${what} & ${longHex(mask)} ${not ? '!=' : '=='} ${longHex(value)}`;
}

/** The sender as one client: an IPv6 host has many addresses, in one /64. */
export function clientWords(family: Family): string {
  return family === 4 ? 'ip saddr' : 'ip6 saddr & ffff:ffff:ffff:ffff::';
}

/** How a family is called in front of its addresses. */
export function ip(family: Family): 'ip' | 'ip6' {
  return family === 4 ? 'ip' : 'ip6';
}

/** A device in quotes; where iptables has a `+` at the end, for all that begin so, nft has a `*`. */
function device(name: string): string {
  return `"${name.replace(/\+$/, '*')}"`;
}

/** An address, a network, or an address and a mask, which may have holes. */
function address(what: string, network: string, not: boolean): string {
  const [value, mask = ''] = network.split('/');
  if (/[.:]/.test(mask)) return `${what} & ${mask} ${not ? '!=' : '=='} ${value}`;
  return `${what} ${not ? '!= ' : ''}${network}`;
}

function transport({ proto, sport, dport }: Extract<Match, { kind: 'transport' }>): string {
  const words = [
    ...(sport === undefined ? [] : [`${proto} sport ${ports(sport)}`]),
    ...(dport === undefined ? [] : [`${proto} dport ${ports(dport)}`]),
  ];
  return words.length === 0 ? `meta l4proto ${proto === 'tcp' ? TCP : UDP}` : words.join(' ');
}

function portWords(
  side: 'sport' | 'dport',
  { ports: ranges, proto, not }: Extract<Match, { kind: 'source-ports' | 'destination-ports' }>,
): string {
  return `${proto ?? 'th'} ${side} ${not ? '!= ' : ''}${oneOrSet(ranges.map(ports))}`;
}

function ports({ low, high }: PortRange): string {
  return low === high ? `${low}` : `${low}-${high}`;
}

function clock(seconds: number): string {
  return [seconds / 3600, (seconds / 60) % 60, seconds % 60]
    .map((part) => String(Math.floor(part)).padStart(2, '0'))
    .join(':');
}

/** Types and codes of RFC 792 and RFC 4443. */
const ICMP_TYPES: Readonly<Record<Family, Readonly<Record<IcmpError, readonly [number, number]>>>> = {
  4: { 'net-unreachable': [3, 0], 'host-unreachable': [3, 1] },
  6: { 'net-unreachable': [1, 0], 'host-unreachable': [1, 3] },
};

function icmp(family: Family, error: IcmpError | undefined): string {
  const [name, number] = family === 4 ? ['icmp', 1] : ['icmpv6', 58];
  if (error === undefined) return `meta l4proto ${number}`;
  const [type, code] = ICMP_TYPES[family][error];
  return `${name} type ${type} ${name} code ${code}`;
}

function stateWords({ state, direction, unanswered, not }: Extract<Match, { kind: 'state' }>): string {
  const what =
    state === 'dnat' || state === 'snat'
      ? `ct status & ${state} ${not ? '!=' : '=='} ${state}`
      : `ct state ${not ? '!= ' : ''}${state}`;
  return [
    what,
    ...(unanswered ? ['ct status & seen-reply != seen-reply'] : []),
    ...(direction === undefined ? [] : [`ct direction ${direction}`]),
  ].join(' ');
}
