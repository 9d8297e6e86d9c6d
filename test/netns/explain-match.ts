/** Random conditions of a rule. */
import type { Draw } from './explain-draw.js';

/** Networks of the configuration's own sets; the others are somebody's ipsets, of which one is not there. */
export const SETS = ['office', 'lab', 'listed', 'here', 'here6', 'gone'] as const;

/** @param mac the client's MAC address */
export function randomMatch(draw: Draw, mac: string): string {
  const v6 = draw.isIn(3);
  const not = () => (draw.isIn(4) ? '!' : '');
  const from = v6
    ? ['fd09::8/125', 'fd09::2', '::1/::1', 'fd09::3-fd09::8']
    : ['10.9.0.8/29', '10.9.0.2', '0.0.0.1/0.0.0.1', '10.9.0.3-10.9.0.8', '192.0.0.0/16'];
  const to = v6
    ? ['2001:db8:ff::/64', '2001:db8:fe::1', '2001:db8:fd::/48', '::2/::2']
    : ['203.0.113.0/25', '203.0.113.129', '198.51.100.0/24', '0.0.0.2/0.0.0.2', '203.0.113.1-203.0.113.2'];
  const ports = ['7000', '7001-7002', '7003+7004', '1-7000', '7002+7004-9000'];
  const ported = () => [
    `proto=${draw.one(['tcp', 'udp', 'tcp+udp'])}`,
    draw.isIn(4) ? `sport=${not()}1-20000` : `dport=${not()}${draw.one(ports)}`,
  ];
  const conditions: (() => string[])[] = [
    () => [`from=${not()}${draw.some(from).join('+')}`],
    () => [`to=${not()}${draw.some(to).join('+')}`],
    ported,
    () => [`proto=${not()}${draw.one(['tcp', 'udp', 'icmp'])}`],
    () => [`family=${v6 ? 6 : 4}`],
    () => [`set=${not()}${draw.some(SETS.filter((name) => name === 'lab' || draw.isIn(2))).join('+')}`],
    () => [`own=${draw.one(['true', 'false'])}`],
    () => ['own=true', `uid=${not()}${draw.one(['0'])}`],
    () => [`own=false`, `in=${not()}${draw.one(['lan0', 'lan+', 'w1'])}`],
    () => [`own=false`, `mac=${not()}${draw.one([mac, '02:00:00:00:00:99'])}`],
    () => [`dscp=${not()}${draw.one(['0', 'ef'])}`],
    () => [`fwmark=${not()}${draw.one(['0x10/0xf0', '0x10000/0xff0000'])}`],
    () => [`time=${randomTime(draw, new Date())}`],
  ];
  const found = new Map<string, string>();
  for (const condition of draw.some(
    conditions.filter(() => draw.isIn(3)).concat(conditions[draw.below(3)]!),
  )) {
    for (const text of condition()) {
      const key = text.split('=', 1)[0]!;
      if (!found.has(key)) found.set(key, text);
    }
  }
  if (found.has('sport') || found.has('dport')) {
    if (/!|icmp/.test(found.get('proto')!)) found.set('proto', 'proto=tcp');
  }
  // What the router itself sends comes in by no device.
  if (found.has('uid')) found.set('own', 'own=true');
  if (found.get('own') === 'own=true') for (const key of ['in', 'mac']) found.delete(key);
  return [...found.values()].map((text) => `,${text}`).join('');
}

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
/** Whose offsets from UTC are whole hours, and others. */
const ZONES = ['utc', 'Europe/Berlin', 'Asia/Kolkata', 'Pacific/Auckland'] as const;

/** A time that neither begins nor ends while the packets are sent, which could only be at a full or half hour. */
function randomTime(draw: Draw, now: Date): string {
  if (now.getUTCMinutes() % 30 > 25) return 'sun-sat utc';
  const from = draw.below(24);
  const hours = `${from}:00-${(from + 1 + draw.below(23)) % 24}:00`;
  return [...(draw.isIn(2) ? [draw.some(DAYS).join('+')] : []), hours, draw.one(ZONES)].join(' ');
}
