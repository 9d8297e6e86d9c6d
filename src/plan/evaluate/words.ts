import { TCP, UDP } from '../../core/protocol.js';
import { isIn } from './addresses.js';
import { every, type Holds, known, not, type Packet } from './packet.js';

const PROTOCOLS: Readonly<Record<string, number>> = { tcp: TCP, udp: UDP, icmp: 1, 'ipv6-icmp': 58 };

/** What each option asks of a packet. */
const OPTIONS: Readonly<Record<string, (value: string, packet: Packet) => Holds>> = {
  '-p': (name, { proto }) => name === 'all' || proto === (PROTOCOLS[name] ?? Number(name)),
  '-s': (network, { src }) => isIn(src, network),
  '-d': (network, { dst }) => isIn(dst, network),
  '-i': (device, { in: own = '' }) =>
    device.endsWith('+') ? own.startsWith(device.slice(0, -1)) : own === device,
  '-m': () => true,
  '--comment': () => true,
  '--ctstate': (states) => states.split(',').includes('NEW'),
  '--sport': (text, { sport }) => isOneOf(sport, text),
  '--dport': (text, { dport }) => isOneOf(dport, text),
  '--sports': (text, { sport }) => isOneOf(sport, text),
  '--dports': (text, { dport }) => isOneOf(dport, text),
};

/** Whether a packet meets the conditions of somebody else's rule, in the words of iptables-save. */
export function wordsHold(text: string, packet: Packet): Holds {
  const words = text.match(/"(?:\\.|[^"])*"|\S+/g) ?? [];
  const all: Holds[] = [];
  for (let i = 0; i < words.length; i += 2) {
    const isInverted = words[i] === '!';
    if (isInverted) i++;
    const holds = OPTIONS[words[i]!]?.(words[i + 1] ?? '', packet) ?? 'unknown';
    all.push(isInverted ? not(holds) : holds);
    // What follows an option of which nobody knows how many words it takes cannot be read.
    if (holds === 'unknown' && !Object.hasOwn(OPTIONS, words[i]!)) break;
  }
  return every(all);
}

/** Reads `80`, `80:90` and lists of these. */
function isOneOf(port: number | undefined, text: string): Holds {
  return known(port, (one) =>
    text.split(',').some((part) => {
      const [low = 0, high = low] = part.split(':').map(Number);
      return one >= low && one <= high;
    }),
  );
}
