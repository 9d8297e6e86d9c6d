import { TCP, UDP } from '../../core/protocol.js';
import type { OtherRule } from '../facts.js';
import type { IpRule, MarkBits, OwnIpRule } from '../plan.js';
import { ipRuleLines } from '../render/ip.js';
import { isIn } from './addresses.js';
import { hasBits, readBits } from './match.js';
import { every, type Holds, known, not, type Packet } from './packet.js';

/** What an ip rule is asked about. */
export interface Asking {
  readonly packet: Packet;
  /** The source that it has so far. */
  readonly src: string;
  readonly dst: string;
  readonly mark: number;
}

/** An ip rule, of us or of others, ready to be asked. */
export interface AskedRule {
  readonly priority: number;
  /** The rule in the words of `ip rule`, without its priority. */
  readonly text: string;
  readonly isOurs: boolean;
  readonly holds: (asking: Asking) => Holds;
  /** `blackhole`, `unreachable` or `prohibit`, or a table, by its number or as `main`; undefined where nobody can tell. */
  readonly to: { readonly refuse: string } | { readonly table: string; readonly least: number } | undefined;
}

/** All ip rules in the order in which the kernel asks them. */
export function askedRules(own: readonly IpRule[], others: readonly OtherRule[]): AskedRule[] {
  return [...own.map(ownRule), ...others.map(otherRule)].toSorted((a, b) => a.priority - b.priority);
}

function ownRule(rule: IpRule): AskedRule {
  const { priority } = rule;
  if ('words' in rule) return { ...fromWords(rule.words), priority, isOurs: false };
  const text = ipRuleLines({ rules: [rule] })[0]!.replace(/^priority \d+ /, '');
  return { priority, text, isOurs: true, holds: (asking) => isFor(rule.from, asking), to: targetOf(rule.to) };
}

function isFor(from: OwnIpRule['from'], { packet, src, dst, mark }: Asking): boolean {
  switch (from.kind) {
    case 'all':
      return true;
    case 'in':
      return packet.in === from.device && hasBits(mark, from.bits);
    case 'mark':
      return hasBits(mark, from.bits) && (from.to === undefined || isIn(dst, from.to));
    case 'address':
      return src === from.address;
    case 'own':
      return packet.in === undefined && (!from.tcp || packet.proto === TCP);
    case 'own to':
      return packet.in === undefined && packet.proto === UDP && dst === from.address;
  }
}

function targetOf(to: OwnIpRule['to']): AskedRule['to'] {
  if ('refuse' in to) return to;
  // Without `suppress_prefixlength 0` even a default route answers.
  if (to.table === 'main') return { table: 'main', least: 1 };
  return { table: to.table === 'whole main' ? 'main' : String(to.table), least: 0 };
}

function otherRule({ priority, inverted, mark, before, after, action }: OtherRule): AskedRule {
  const asked = mark === undefined ? [] : [`fwmark ${markText(mark)}`];
  const words = [...(inverted ? ['not'] : []), ...before, ...asked, ...after, action ?? '...'].join(' ');
  return { ...fromWords(words), priority, isOurs: false };
}

function markText({ value, mask }: MarkBits): string {
  return `0x${value.toString(16)}/0x${mask.toString(16)}`;
}

/** What each condition of `ip rule` asks of a packet. */
const CONDITIONS: Readonly<Record<string, (value: string, asking: Asking) => Holds>> = {
  from: (network, { src }) => network === 'all' || isIn(src, network),
  to: (network, { dst }) => network === 'all' || isIn(dst, network),
  fwmark: (text, { mark }) => hasBits(mark, readBits(text)),
  iif: (device, { packet }) => (packet.in ?? 'lo') === device,
  // Only a socket that is bound to a device asks for it.
  oif: () => false,
  uidrange: (range, { packet }) =>
    // What is forwarded counts as root's.
    packet.in !== undefined ? isBetween(0, range) : known(packet.user, (user) => isBetween(user, range)),
  ipproto: (number, { packet }) => packet.proto === Number(number),
  sport: (range, { packet }) => known(packet.sport, (port) => isBetween(port, range)),
  dport: (range, { packet }) => known(packet.dport, (port) => isBetween(port, range)),
};

function isBetween(value: number, range: string): boolean {
  const [low = 0, high = low] = range.split('-').map(Number);
  return value >= low && value <= high;
}

/** Reads a rule in the words of `ip rule`. */
function fromWords(text: string): Pick<AskedRule, 'text' | 'holds' | 'to'> {
  const words = text.split(' ');
  const isInverted = words[0] === 'not';
  if (isInverted) words.shift();
  const conditions: ((asking: Asking) => Holds)[] = [];
  while (words.length > 0 && !/^(lookup|unreachable|blackhole|prohibit|\.\.\.)$/.test(words[0]!)) {
    const [name = '', value = ''] = words.splice(0, 2);
    const condition = CONDITIONS[name];
    conditions.push((asking) => condition?.(value, asking) ?? 'unknown');
  }
  const holds = (asking: Asking) => every(conditions.map((one) => one(asking)));
  return { text, holds: isInverted ? (asking) => not(holds(asking)) : holds, to: targetIn(words) };
}

function targetIn([action, table, option, value]: readonly string[]): AskedRule['to'] {
  if (action !== 'lookup') return action === undefined || action === '...' ? undefined : { refuse: action };
  if (option === 'suppress_ifgroup') return undefined;
  const least = option === 'suppress_prefixlength' ? Number(value) + 1 : 0;
  return { table: table!, least };
}
