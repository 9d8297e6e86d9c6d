/** Where the daemon answers `wanmark status`. */
export const DEFAULT_SOCKET = '/run/wanmark/wanmark.sock';

/** One option, the same as a flag (`--queue-num 1`) and as a key of the configuration file (`queue-num: 1`). */
export interface Option {
  /** `text` takes a value, `list` takes one and can be repeated, `switch` takes none. */
  readonly type: 'text' | 'list' | 'switch';
  readonly describe: string;
  /** What `--help` names the value. */
  readonly value?: string;
  /** Used, and shown by `--help`, when neither a flag nor the file gives it. */
  readonly default?: string;
}

/** The WANs and how they are marked: what `up`, `down`, `print` and `run` must agree on. */
export const WAN_OPTIONS = {
  wan: {
    type: 'list',
    value: 'NAME,key=value,...',
    describe: 'An uplink: dev, via, via6, weight, tier, mark, nat, nat6',
  },
  mask: { type: 'text', value: 'HEX', default: '0xff', describe: 'The bits of the packet mark to use' },
  'queue-num': { type: 'text', value: 'N', default: '0', describe: 'The NFQUEUE number' },
  queues: {
    type: 'text',
    value: 'N',
    default: '1',
    describe: 'How many NFQUEUEs, from that number on; each has an I/O thread',
  },
} as const satisfies Record<string, Option>;

/** The services and their servers, and how these are marked; for the rules and the daemon alike. */
export const SERVICE_OPTIONS = {
  service: {
    type: 'list',
    value: 'NAME,key=value,...',
    describe: 'An address in front of several servers: listen, snat, strategy',
  },
  backend: {
    type: 'list',
    value: 'NAME,key=value,...',
    describe: 'A server of the service NAME: to, weight, mark',
  },
  'backend-mask': {
    type: 'text',
    value: 'HEX',
    default: '0xff00',
    describe: 'The bits of the packet mark that say which backend',
  },
  'service-queue': {
    type: 'text',
    value: 'N',
    describe: 'The NFQUEUE number for services (default: the one behind those of the WANs)',
  },
} as const satisfies Record<string, Option>;

/** Of the rules alone. */
export const RULE_OPTIONS = {
  engine: {
    type: 'text',
    value: 'nfqueue|kernel',
    default: 'nfqueue',
    describe: 'Who chooses: the daemon, or the kernel alone',
  },
  'kernel-mode': {
    type: 'text',
    value: 'random|nth',
    default: 'random',
    describe: 'How the kernel chooses: a draw by weight, or a rotation that has exactly the weights',
  },
  per: {
    type: 'text',
    value: 'connection|packet',
    default: 'connection',
    describe: 'With --engine kernel: what is spread; packets are for tunnels to one far end',
  },
  'last-resort': {
    type: 'text',
    value: 'main|unreachable|blackhole',
    default: 'main',
    describe: 'Where new connections go when no WAN is up: the main table, an ICMP error, or nowhere',
  },
  lan: {
    type: 'list',
    value: 'DEV',
    describe: 'Balance new connections from this device only (default: every device that is no WAN)',
  },
  exclude: { type: 'list', value: 'NET', describe: 'Leave connections to this network alone' },
  table: {
    type: 'text',
    value: 'N',
    default: '1000',
    describe: 'Routing tables: the WAN with mark K has table N + K',
  },
  priority: {
    type: 'text',
    value: 'N',
    default: '20000',
    describe: 'Priority of the first of three kinds of ip rules; the others are N + 1 and N + 2',
  },
  'log-kernel': {
    type: 'switch',
    describe: 'LOG the first packet of each connection, by mark, in the kernel log',
  },
  'forward-accept': {
    type: 'switch',
    describe: 'Accept what goes to and from the backends in FORWARD, whatever its policy',
  },
} as const satisfies Record<string, Option>;

/** Of the daemon alone. */
export const RUN_OPTIONS = {
  strategy: {
    type: 'text',
    value: 'NAME|FILE',
    default: 'round-robin',
    describe: 'A name (round-robin, weighted, least-connections ...), or a file of your own',
  },
  count: {
    type: 'text',
    value: 'live|established',
    default: 'live',
    describe: 'Which connections count: all live ones, or only TCP in ESTABLISHED',
  },
  'counts-file': {
    type: 'text',
    value: 'FILE',
    describe: 'Take the counts from this file ("200, 1": 200 connections on mark 1) instead of conntrack',
  },
  'high-mark': {
    type: 'text',
    value: 'N',
    describe: 'No WANs, just marks 1..N for iptables rules of your own',
  },
  weights: { type: 'text', value: 'A,B,...', describe: 'With --high-mark: the weight of each mark' },
  deadline: {
    type: 'text',
    value: 'MS',
    default: '50',
    describe: 'How long a packet waits for the strategy before the kernel chooses',
  },
  'queue-length': {
    type: 'text',
    value: 'N',
    default: '8192',
    describe: 'How many packets may wait in the kernel; beyond, it chooses itself',
  },
  'no-repair': {
    type: 'switch',
    describe: 'Only say it when somebody removes our rules or routes; do not put them back',
  },
  check: {
    type: 'list',
    value: 'WAN=KIND,to=...',
    describe: 'Probe a WAN, or all: ping, tcp, http, dns, script; interval, timeout, fall, rise, quorum ...',
  },
  'on-down': {
    type: 'text',
    value: 'all|udp|none',
    default: 'all',
    describe: 'Which connections of a WAN that went down are cut, so that they are made again by another',
  },
  hook: {
    type: 'list',
    value: 'FILE',
    describe:
      'Run this program after each change of a WAN: ACTION, INTERFACE, DEVICE as from mwan3, and JSON',
  },
  'hook-timeout': {
    type: 'text',
    value: 'SECONDS',
    default: '30',
    describe: 'How long a hook may run until it is killed',
  },
  'up-after': {
    type: 'text',
    value: 'SECONDS',
    default: '30',
    describe: 'How long a WAN that was down must work without a break until it is up',
  },
  'slow-start': {
    type: 'text',
    value: 'SECONDS',
    default: '30',
    describe: 'How long a WAN that came up takes to get its full share, from a tenth on (0: at once)',
  },
  'on-up': {
    type: 'text',
    value: 'none|udp|all',
    default: 'udp',
    describe: 'Which connections a WAN that came up takes back from the backups that it replaces',
  },
  socket: {
    type: 'text',
    value: 'PATH',
    default: DEFAULT_SOCKET,
    describe: 'Where `wanmark status` asks (or $WANMARK_SOCKET)',
  },
  'log-mark': { type: 'switch', describe: 'A log line for each decision' },
  'log-packet': { type: 'switch', describe: 'The packet too, decoded and in hex' },
} as const satisfies Record<string, Option>;

/** Everything a configuration file may hold, whichever command reads it. */
export const OPTIONS: Readonly<Record<string, Option>> = {
  ...WAN_OPTIONS,
  ...SERVICE_OPTIONS,
  ...RULE_OPTIONS,
  ...RUN_OPTIONS,
};

/** Values as flags or the file give them, before validation. */
export type RawConfig = Readonly<Record<string, unknown>>;
