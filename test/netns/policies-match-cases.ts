/** Every word that a rule can match by, each with packets that it takes and packets that it must not. */
import type { Family } from '#wanmark/core/family.js';

/** A packet, in each family that is not left out; hosts are told by their numbers, which both families have. */
export interface Sent {
  /** The host that sends it (2), or this router, or another user of it. */
  readonly from?: number | 'router' | 'user';
  /** The device that it comes in by (lan0). */
  readonly by?: 'lan0' | 'lan1' | 'dmz0';
  readonly to?: number;
  readonly port?: number;
  readonly sport?: number;
  /** `icmp` is an echo request of the family. */
  readonly proto?: 'tcp' | 'udp' | 'icmp';
  /** The only family in which it is sent. */
  readonly family?: Family;
}

/** How a family writes what a rule names. */
export interface Words {
  readonly family: Family;
  client(host: number): string;
  server(host: number): string;
  /** The host's number in an address without a network. */
  bits(host: number): string;
  /** The length of a network whose last bits are left open. */
  open(bits: number): number;
}

export interface MatchCase {
  /** What stands behind the policy; with addresses it is another text, and another rule, in each family. */
  readonly rule: string | ((words: Words) => string);
  readonly set?: readonly string[];
  readonly takes: readonly Sent[];
  readonly leaves: readonly Sent[];
}

/** The ports of the server; by some the sender, or this router, gives the packet a field to ask for. */
export const PORT = 7000;
/** DSCP by port. */
export const DSCP: ReadonlyMap<number, number> = new Map([
  [7008, 8],
  [7034, 34],
  [7046, 46],
]);
/** Marks of somebody else by port. */
export const MARKS: ReadonlyMap<number, number> = new Map([
  [7110, 0x10],
  [7130, 0x30],
  [7190, 0x90],
]);
export const PORTS = [
  PORT,
  80,
  443,
  5060,
  5061,
  7001,
  7002,
  7003,
  7009,
  7010,
  ...DSCP.keys(),
  ...MARKS.keys(),
];

/** A user of the router other than root. */
export const USER = 1000;

/** The client's hosts, and the server's. */
export const CLIENTS = [2, 4, 5, 7, 8, 9, 10, 15, 16];
export const SERVERS = [1, 2, 4, 5, 9, 10, 129];

const from = (...hosts: number[]): Sent[] => hosts.map((host) => ({ from: host }));
const to = (...hosts: number[]): Sent[] => hosts.map((host) => ({ to: host }));
const port = (...ports: number[]): Sent[] => ports.map((one) => ({ port: one }));
const by = (proto: 'tcp' | 'udp', all: readonly Sent[]): Sent[] => all.map((one) => ({ ...one, proto }));
const sport = (...ports: number[]): Sent[] => ports.map((one) => ({ sport: one, proto: 'udp' }));

/** Fifteen and more ports are two lists for iptables; the first of them are none that the server has. */
const MANY = Array.from({ length: 18 }, (_, i) => 6001 + 2 * i);

const RANGES = Array.from({ length: 9 }, (_, i) => `${6001 + 9 * i}-${6003 + 9 * i}`);

/** @param macs the MAC addresses of the client's devices @param file a set's file with the servers 4 and 5 */
export function matchCases(macs: Readonly<Record<'lan0' | 'lan1', string>>, file: string): MatchCase[] {
  return [
    // Addresses of the sender
    {
      rule: (w) => `from=${w.client(8)}/${w.open(3)}`,
      takes: from(8, 9, 15),
      leaves: [...from(7, 16, 2), { from: 'router' }],
    },
    {
      rule: (w) => `from=${w.client(5)}-${w.client(9)}`,
      takes: from(5, 7, 9),
      leaves: from(4, 10),
    },
    {
      rule: (w) => `from=${w.client(2)}+${w.client(8)}/${w.open(1)}+${w.client(15)}-${w.client(16)}`,
      takes: from(2, 8, 9, 15, 16),
      leaves: from(4, 10),
    },
    {
      rule: (w) => `from=${w.bits(1)}/${w.bits(1)}`,
      takes: from(5, 7, 9),
      leaves: from(2, 4, 8),
    },
    { rule: (w) => `from=!${w.client(8)}/${w.open(3)}`, takes: from(7, 16), leaves: from(8, 15) },
    { rule: (w) => `from=!${w.client(5)}-${w.client(9)}`, takes: from(4, 10), leaves: from(5, 9) },
    { rule: (w) => `from=!${w.bits(1)}/${w.bits(1)}`, takes: from(2, 8), leaves: from(5, 9) },
    {
      rule: (w) => `from=!${w.client(2)}+${w.client(5)}-${w.client(9)}`,
      takes: from(4, 10),
      leaves: from(2, 5, 9),
    },
    // Addresses of the destination
    { rule: (w) => `to=${w.server(0)}/${w.open(7)}`, takes: to(1, 9), leaves: to(129) },
    { rule: (w) => `to=${w.server(2)}-${w.server(9)}`, takes: to(2, 5, 9), leaves: to(1, 10) },
    {
      rule: (w) => `to=${w.server(1)}+${w.server(4)}-${w.server(9)}+${w.server(128)}/${w.open(7)}`,
      takes: to(1, 4, 9, 129),
      leaves: to(2, 10),
    },
    { rule: (w) => `to=${w.bits(1)}/${w.bits(1)}`, takes: to(1, 5, 129), leaves: to(2, 4) },
    { rule: (w) => `to=!${w.server(0)}/${w.open(7)}`, takes: to(129), leaves: to(1, 9) },
    { rule: (w) => `to=!${w.server(2)}-${w.server(9)}`, takes: to(1, 10), leaves: to(2, 9) },
    { rule: (w) => `to=!${w.bits(1)}/${w.bits(1)}`, takes: to(2, 4), leaves: to(1, 5) },
    {
      rule: (w) => `from=${w.client(8)}/${w.open(3)},to=!${w.server(1)}+${w.server(9)}-${w.server(10)}`,
      takes: [
        { from: 8, to: 2 },
        { from: 15, to: 129 },
      ],
      leaves: [
        { from: 8, to: 1 },
        { from: 9, to: 9 },
        { from: 7, to: 2 },
      ],
    },
    // Protocols and ports
    { rule: 'proto=tcp', takes: port(PORT), leaves: by('udp', [{}]) },
    { rule: 'proto=udp+icmp', takes: [...by('udp', [{}]), { proto: 'icmp', family: 4 }], leaves: [{}] },
    {
      rule: 'proto=icmpv6',
      takes: [{ proto: 'icmp', family: 6 }],
      leaves: [{}, { proto: 'icmp', family: 4 }],
    },
    { rule: 'proto=17', takes: by('udp', [{}]), leaves: [{}, { proto: 'icmp' }] },
    { rule: 'proto=!tcp', takes: [...by('udp', [{}]), { proto: 'icmp' }], leaves: [{}] },
    { rule: 'proto=!udp+1', takes: [{}], leaves: [...by('udp', [{}]), { proto: 'icmp', family: 4 }] },
    {
      rule: 'proto=tcp,dport=7002',
      takes: port(7002),
      leaves: [...port(7001, 7003), ...by('udp', port(7002))],
    },
    { rule: 'proto=tcp,dport=7002-7009', takes: port(7002, 7003, 7009), leaves: port(7001, 7010) },
    {
      rule: 'proto=udp,dport=5060+7002-7009',
      takes: by('udp', port(5060, 7002, 7009)),
      leaves: [...by('udp', port(5061, 7001, 7010)), ...port(5060)],
    },
    {
      rule: 'proto=tcp+udp,dport=http+sip',
      takes: [...port(80), ...by('udp', port(5060))],
      leaves: port(443, 5061),
    },
    { rule: 'proto=tcp,dport=!443', takes: port(80, PORT), leaves: [...port(443), ...by('udp', port(80))] },
    {
      rule: 'proto=tcp,dport=!80+7002-7009',
      takes: port(443, 7001, 7010),
      leaves: [...port(80, 7002, 7009), ...by('udp', port(443))],
    },
    {
      rule: `proto=tcp+udp,dport=${MANY.join('+')}+${PORT}+7009`,
      takes: [...port(PORT, 7009), ...by('udp', port(7009))],
      leaves: port(7001, 7010),
    },
    {
      // Of ranges, half as many are a list.
      rule: `proto=tcp,dport=${RANGES.join('+')}+7002-7009`,
      takes: port(7002, 7009),
      leaves: port(7001, 7010),
    },
    { rule: `proto=tcp,dport=!${MANY.join('+')}+${PORT}+7009`, takes: port(7001), leaves: port(PORT, 7009) },
    { rule: 'proto=udp,sport=2002', takes: sport(2002), leaves: sport(2001, 2003) },
    { rule: 'proto=tcp+udp,sport=2012-2019', takes: sport(2012, 2015, 2019), leaves: sport(2011, 2020) },
    { rule: 'proto=udp,sport=domain+2030-2039', takes: sport(53, 2030, 2039), leaves: sport(54, 2029, 2040) },
    { rule: 'proto=udp,sport=!2050+2052-2059', takes: sport(2051, 2060), leaves: sport(2050, 2052, 2059) },
    {
      rule: 'proto=tcp,sport=2070-2079,dport=7002+7009',
      takes: [
        { sport: 2070, port: 7002 },
        { sport: 2079, port: 7009 },
      ],
      leaves: [
        { sport: 2071, port: 7003 },
        { sport: 2080, port: 7002 },
      ],
    },
    // Where it comes in, and who sends it
    { rule: 'in=lan0', takes: [{}], leaves: [{ by: 'lan1' }, { by: 'dmz0' }, { from: 'router' }] },
    { rule: 'in=lan+', takes: [{}, { by: 'lan1' }], leaves: [{ by: 'dmz0' }, { from: 'router' }] },
    { rule: 'in=dmz0+lan1', takes: [{ by: 'dmz0' }, { by: 'lan1' }], leaves: [{}] },
    { rule: 'in=!lan0', takes: [{ by: 'lan1' }, { by: 'dmz0' }], leaves: [{}] },
    { rule: 'in=!lan+', takes: [{ by: 'dmz0' }], leaves: [{}, { by: 'lan1' }] },
    { rule: 'in=!lan0+dmz+', takes: [{ by: 'lan1' }], leaves: [{}, { by: 'dmz0' }] },
    { rule: `mac=${macs.lan0.toUpperCase()}`, takes: [{}], leaves: [{ by: 'lan1' }, { from: 'router' }] },
    { rule: `mac=!${macs.lan0}`, takes: [{ by: 'lan1' }, { by: 'dmz0' }], leaves: [{}] },
    {
      rule: `mac=02:00:00:00:00:99+${macs.lan0}+${macs.lan1}`,
      takes: [{}, { by: 'lan1' }],
      leaves: [{ by: 'dmz0' }],
    },
    { rule: 'family=4', takes: [{ family: 4 }], leaves: [{ family: 6 }, { family: 6, from: 'router' }] },
    { rule: 'family=6', takes: [{ family: 6 }, { family: 6, from: 'router' }], leaves: [{ family: 4 }] },
    { rule: 'own=true', takes: [{ from: 'router' }], leaves: [{}] },
    { rule: 'own=false', takes: [{}, { by: 'dmz0' }], leaves: [{ from: 'router' }] },
    {
      rule: 'own=true,proto=tcp,dport=80+443',
      takes: [{ from: 'router', port: 443 }],
      leaves: [{ from: 'router' }, { port: 443 }],
    },
    // Sets
    {
      rule: 'set=few',
      set: ['few,net=203.0.113.4/31+203.0.113.9+2001:db8:ff::4/127+2001:db8:ff::9'],
      takes: to(4, 5, 9),
      leaves: to(2, 10),
    },
    {
      rule: 'set=!few',
      set: ['few,net=203.0.113.4/31+203.0.113.9+2001:db8:ff::4/127+2001:db8:ff::9'],
      takes: to(2, 10),
      leaves: to(4, 9),
    },
    {
      rule: 'set=one',
      set: ['one,net=203.0.113.9'],
      takes: [{ to: 9, family: 4 }],
      leaves: [{ to: 9, family: 6 }, { to: 10 }],
    },
    { rule: 'set=listed', set: [`listed,file=${file}`], takes: to(4, 5), leaves: to(2, 9) },
    { rule: 'set=!listed', set: [`listed,file=${file}`], takes: to(2, 9), leaves: to(4, 5) },
    {
      rule: 'set=theirs',
      set: ['theirs,external'],
      takes: [{ to: 10, family: 4 }],
      leaves: [{ to: 9 }, { to: 10, family: 6 }],
    },
    { rule: 'set=!theirs', set: ['theirs,external'], takes: [{ to: 9, family: 4 }], leaves: [{ to: 10 }] },
    {
      rule: 'set=theirs6',
      set: ['theirs6,external'],
      takes: [{ to: 10, family: 6 }],
      leaves: [{ to: 9 }, { to: 10, family: 4 }],
    },
    {
      rule: 'set=listed+one',
      set: [`listed,file=${file}`, 'one,net=203.0.113.129+2001:db8:ff::81'],
      takes: to(4, 129),
      leaves: to(2, 9),
    },
    {
      rule: 'set=!listed+one,proto=tcp,dport=80+443',
      set: [`listed,file=${file}`, 'one,net=203.0.113.129+2001:db8:ff::81'],
      takes: [{ to: 9, port: 443 }],
      leaves: [{ to: 4, port: 443 }, { to: 129, port: 80 }, { to: 9 }],
    },
    // Fields
    { rule: 'dscp=ef', takes: port(7046), leaves: port(PORT, 7034) },
    { rule: 'dscp=af41+0x08', takes: port(7034, 7008), leaves: port(PORT, 7046) },
    { rule: 'dscp=!46', takes: port(PORT, 7034), leaves: port(7046) },
    { rule: 'dscp=!46+cs1', takes: port(PORT, 7034), leaves: port(7046, 7008) },
    { rule: 'fwmark=0x10/0xf0', takes: port(7110), leaves: port(PORT, 7130, 7190) },
    { rule: 'fwmark=0x10/0x30', takes: port(7110, 7190), leaves: port(PORT, 7130) },
    { rule: 'fwmark=0/0xf0', takes: port(PORT), leaves: port(7110, 7190) },
    { rule: 'fwmark=!0x10/0x10', takes: port(PORT), leaves: port(7110, 7130, 7190) },
    { rule: 'fwmark=0x30/0xf0+0x80/0x80', takes: port(7130, 7190), leaves: port(PORT, 7110) },
    // Any time
    ...timeCases(new Date()),
  ];
}

/** What asks for users, who need not be on every machine. */
export const USER_CASES: readonly MatchCase[] = [
  { rule: 'uid=root', takes: [{ from: 'router' }], leaves: [{ from: 'user' }, {}] },
  { rule: `uid=${USER}`, takes: [{ from: 'user' }], leaves: [{ from: 'router' }, {}] },
  { rule: `uid=${USER - 7}-${USER}`, takes: [{ from: 'user' }], leaves: [{ from: 'router' }] },
  { rule: `uid=${USER + 1}-60000+7`, takes: [], leaves: [{ from: 'user' }, { from: 'router' }] },
  { rule: `uid=0+${USER}`, takes: [{ from: 'user' }, { from: 'router' }], leaves: [{}] },
  { rule: 'uid=!0', takes: [{ from: 'user' }], leaves: [{ from: 'router' }, {}] },
  { rule: `uid=!7+${USER}-60000`, takes: [{ from: 'router' }], leaves: [{ from: 'user' }, {}] },
  {
    rule: `own=true,uid=${USER},proto=tcp,dport=80+443`,
    takes: [{ from: 'user', port: 443 }],
    leaves: [{ from: 'user' }, { from: 'router', port: 443 }, { port: 443 }],
  },
];

/** Days and hours around now, and others; each begins and ends hours away from now, in its own zone. */
function timeCases(now: Date): MatchCase[] {
  return ['utc', 'Asia/Kolkata', 'America/New_York'].flatMap((zone) => {
    const { day, hour } = localTime(now, zone);
    const clock = (away: number) => `${String((hour + away + 48) % 24).padStart(2, '0')}:00`;
    const begins = (away: number) => DAYS[(day + Math.floor((hour + away) / 24) + 7) % 7]!;
    const around = `${clock(-3)}-${clock(4)}`;
    const later = `${clock(3)}-${clock(9)}`;
    const others = (but: string) => DAYS.filter((one) => one !== but).join('+');
    const is = (text: string): MatchCase => ({ rule: `time=${text} ${zone}`, takes: [{}], leaves: [] });
    const isNot = (text: string): MatchCase => ({ rule: `time=${text} ${zone}`, takes: [], leaves: [{}] });
    return [
      is(around),
      isNot(later),
      is(`${begins(-3)} ${around}`),
      isNot(`${others(begins(-3))} ${around}`),
      isNot(`${begins(3)} ${later}`),
    ];
  });
}

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

function localTime(now: Date, zone: string): { readonly day: number; readonly hour: number } {
  const parts = new Intl.DateTimeFormat('en', {
    ...{ timeZone: zone, weekday: 'short', hour: 'numeric', hourCycle: 'h23' },
  }).formatToParts(now);
  const part = (type: string) => parts.find((one) => one.type === type)!.value;
  return { day: DAYS.indexOf(part('weekday').toLowerCase()), hour: Number(part('hour')) };
}
