import { ICMP, ICMPV6, TCP, UDP } from '../../core/protocol.js';
import type { PortRange } from '../../core/service.js';
import type { MarkBits, Match, SetKind, SetPlan } from '../plan.js';
import { isIn, isInRange, typeOf } from './addresses.js';
import { every, type Holds, known, not, type Packet, type Surroundings, some } from './packet.js';
import { wordsHold } from './words.js';

/** A packet somewhere on its way. */
export interface Passing {
  readonly packet: Packet;
  /** Its destination, which a service may have replaced. */
  readonly dst: string;
  readonly isTranslated: boolean;
  readonly mark: number;
  readonly connmark: number;
  /** The device that it is going to leave by; undefined before its route is known. */
  readonly out: string | undefined;
  readonly sets: ReadonlyMap<string, SetPlan>;
  readonly around: Surroundings;
}

/** Whether a packet meets all of these conditions. */
export function allHold(when: readonly Match[], passing: Passing): Holds {
  return every(when.map((match) => holds(match, passing)));
}

/** Whether a packet meets a condition, as the kernel would see it. */
export function holds(match: Match, passing: Passing): Holds {
  const found = holdsPlainly(match, passing);
  // Of a state iptables' `!` stands before the state alone.
  return match.kind !== 'state' && 'not' in match && match.not ? not(found) : found;
}

/** The element of a match's set that a packet meets. */
export function elementOf(match: Extract<Match, { set: string }>, passing: Passing): string | undefined {
  return passing.sets.get(match.set)?.elements.find((one) => MEMBER[match.kind](one, passing) === true);
}

function holdsPlainly(match: Match, passing: Passing): Holds {
  const { packet, around } = passing;
  switch (match.kind) {
    case 'mark':
    case 'connmark':
      return hasBits(passing[match.kind], match.bits);
    case 'in':
      return isDevice(packet.in, match.device);
    case 'out':
      return isDevice(passing.out, match.device);
    case 'source':
      return isIn(packet.src, match.network);
    case 'destination':
      return isIn(passing.dst, match.network);
    case 'source-range':
      return isInRange(packet.src, match.range);
    case 'destination-range':
      return isInRange(passing.dst, match.range);
    case 'translated':
      // Of a first packet nothing is translated yet but by a service.
      return false;
    case 'words':
      return wordsHold(match.text, packet);
    case 'source-in':
    case 'destination-in':
    case 'translated-in':
    case 'in-in':
    case 'out-in':
    case 'mac-in':
    case 'mark-in':
      return isMember(match, passing);
    case 'in-ipset':
      return around.inIpset?.(match.ipset, passing.dst) ?? 'unknown';
    case 'transport':
      if (packet.proto !== (match.proto === 'tcp' ? TCP : UDP)) return false;
      return every([
        isAmong(packet.sport, match.sport && [match.sport]),
        isAmong(packet.dport, match.dport && [match.dport]),
      ]);
    case 'protocol':
      return packet.proto === match.number;
    case 'source-ports':
      return isAmong(packet.sport, match.ports);
    case 'destination-ports':
      return isAmong(packet.dport, match.ports);
    case 'mac':
      return isFrom(match.address, packet);
    case 'dscp':
      return known(packet.dscp, (value) => value === match.value);
    case 'time':
      return isWithin(packet.at, match);
    case 'user':
      if (packet.in !== undefined) return false;
      return known(packet.user, (id) => id >= match.low && id <= match.high);
    case 'ipsec':
      return around.ipsec === false ? false : 'unknown';
    case 'icmp':
      // A new connection is not an error about another one.
      return match.error === undefined && packet.proto === (match.family === 6 ? ICMPV6 : ICMP);
    case 'source-type':
      return typeOf(packet.src, packet.family, around.facts) === match.type;
    case 'destination-type':
      return typeOf(passing.dst, packet.family, around.facts) === match.type;
    case 'state': {
      const isSo = match.state === 'dnat' ? passing.isTranslated : match.state === 'new';
      return isSo !== (match.not ?? false) && match.direction !== 'reply';
    }
  }
}

/** What the kernel or somebody else puts into a set, only the kernel can tell. */
function isMember({ kind, set: name }: Extract<Match, { set: string }>, passing: Passing): Holds {
  const set = passing.sets.get(name);
  if (set?.source.from === 'clients' || set?.source.from === 'others') {
    const address = kind === 'source-in' ? passing.packet.src : passing.dst;
    return passing.around.inIpset?.(set.held!, address) ?? 'unknown';
  }
  return some((set?.elements ?? []).map((one) => MEMBER[kind](one, passing)));
}

/** Whether an element of a set is what the packet has. */
const MEMBER: Readonly<Record<SetKind, (element: string, passing: Passing) => Holds>> = {
  'source-in': (network, { packet }) => isIn(packet.src, network),
  'destination-in': (network, { dst }) => isIn(dst, network),
  'translated-in': () => false,
  'in-in': (device, { packet }) => isDevice(packet.in, device),
  'out-in': (device, { out }) => isDevice(out, device),
  'mac-in': (address, { packet }) => isFrom(address, packet),
  'mark-in': (text, { mark }) => hasBits(mark, readBits(text)),
};

/** Whether a mark has these bits. */
export function hasBits(mark: number, { value, mask }: MarkBits): boolean {
  return ((mark ^ value) & mask) === 0;
}

/** Reads `VALUE/MASK`; without a mask all bits are meant. */
export function readBits(text: string): MarkBits {
  const [value = 0, mask = 0xffff_ffff] = text.split('/').map(Number);
  return { value, mask };
}

/** A `+` at the end stands for any characters. */
function isDevice(device: string | undefined, asked: string): boolean {
  if (device === undefined) return false;
  return asked.endsWith('+') ? device.startsWith(asked.slice(0, -1)) : device === asked;
}

function isFrom(address: string, packet: Packet): Holds {
  if (packet.in === undefined) return false;
  return known(packet.mac, (mac) => mac === address.toLowerCase());
}

function isAmong(port: number | undefined, ranges: readonly PortRange[] | undefined): Holds {
  if (ranges === undefined) return true;
  return known(port, (one) => ranges.some(({ low, high }) => one >= low && one <= high));
}

function isWithin(at: Date, { days, from, to }: Extract<Match, { kind: 'time' }>): boolean {
  const second = at.getUTCHours() * 3600 + at.getUTCMinutes() * 60 + at.getUTCSeconds();
  return days.includes(at.getUTCDay()) && second >= from && second <= to;
}
