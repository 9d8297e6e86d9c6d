/**
 * The field of the WANs: 62 WANs and the last resort. It begins above what Tailscale and pbr use, ends below the bit
 * that zapret sets and below the sign of a 32-bit number, and leaves the low bytes to those who need small numbers;
 * docs/marks.md has the list.
 */
export const DEFAULT_MASK = '0x3f000000';
/**
 * The field of bare marks, which are for rules of the user's own: there mark 2 is 2, as in all tutorials, and has to
 * stay.
 */
export const BARE_MASK = '0xff';
/** The field of the backends. */
export const DEFAULT_BACKEND_MASK = '0xff00';

/** The socket where the daemon answers `wanmark status` and `wanmark set`. */
export const DEFAULT_SOCKET = '/run/wanmark/wanmark.sock';

/** One option, the same as a flag (`--queue-num 1`) and as a key of the configuration file (`queue-num: 1`). */
export interface Option {
  /** `text` takes a value, `list` takes one and can be repeated, `switch` takes none. */
  readonly type: 'text' | 'list' | 'switch';
  /** One line for `--help`. */
  readonly describe: string;
  /** The description in docs/options.md, where `describe` is not enough. Markdown; its links start from docs/. */
  readonly details?: string;
  /** The name of the value; words with bars between them are all the values that there are, see {@link choicesOf}. */
  readonly value?: string;
  /** The lowest and the highest of the whole numbers that it takes. */
  readonly range?: readonly [number, number];
  /** The value that holds when neither a flag nor the file gives one; shown by `--help`. */
  readonly default?: string;
}

/** Options of the WANs and their marks: `up`, `down`, `print` and `run` must agree on them. */
export const WAN_OPTIONS = {
  wan: {
    type: 'list',
    value: 'NAME,key=value,...',
    describe: 'An uplink: dev, via, via6, weight, tier, mark, nat, nat6',
    details: 'An uplink; repeat it for each. [Its keys](#keys-of-a-wan)',
  },
  mask: {
    type: 'text',
    value: 'HEX',
    default: DEFAULT_MASK,
    describe: 'The bits of the packet mark to use',
    details:
      'The bits of the packet mark that wanmark uses. All others are left as they are. Rules that are up keep their bits until `down` where the flag is not given; with `--high-mark` it is `0xff`. See [marks](marks.md)',
  },
  'queue-num': {
    type: 'text',
    value: 'N',
    range: [0, 65_535],
    default: '0',
    describe: 'The NFQUEUE number',
    details: 'The number of the NFQUEUE',
  },
  queues: {
    type: 'text',
    value: 'N',
    range: [1, 16],
    default: '1',
    describe: 'How many NFQUEUEs, from --queue-num on; each has an I/O thread',
    details:
      'How many NFQUEUEs there are, from `--queue-num` on, each with an I/O thread; 16 at most. See [several queues](limits.md#when-one-queue-is-not-enough)',
  },
} as const satisfies Record<string, Option>;

/** Options of the policies: which traffic goes by which WANs. The rules and the daemon both read them. */
export const POLICY_OPTIONS = {
  policy: {
    type: 'list',
    value: 'NAME,key=value,...',
    describe: 'By which WANs some traffic goes: use, strategy, none',
    details: 'By which WANs some traffic goes; repeat it for each. [Its keys](#keys-of-a-policy)',
  },
  rule: {
    type: 'list',
    value: 'POLICY,key=value,...',
    describe:
      'Which traffic goes by the policy: from, to, proto, dport, in, set ...; the first that matches holds',
    details:
      'Which traffic goes by the policy; repeat it for each. The first that matches holds, and what matches none is for every WAN. [Its keys](#keys-of-a-rule)',
  },
  set: {
    type: 'list',
    value: 'NAME,key=value,...',
    describe: 'Networks that rules ask for by a name: net, file, external',
    details: 'Networks that rules ask for by a name; repeat it for each. [Its keys](#keys-of-a-set)',
  },
  sticky: {
    type: 'text',
    value: 'src|src+dst:for=TIME',
    describe: 'Keep each client on its WAN while it comes again within a time, such as src:for=1h',
    details:
      'Keeps each client on its WAN: what `sticky` of a [policy](#keys-of-a-policy) is, for the connections that no rule is for. See [sticky](policies.md#sticky)',
  },
} as const satisfies Record<string, Option>;

/** Options of the services, their backends and the backends' marks. The rules and the daemon both read them. */
export const SERVICE_OPTIONS = {
  service: {
    type: 'list',
    value: 'NAME,key=value,...',
    describe: 'An address in front of several servers: listen, snat, strategy',
    details: 'An address in front of several servers; repeat it for each. [Its keys](#keys-of-a-service)',
  },
  backend: {
    type: 'list',
    value: 'NAME,key=value,...',
    describe: 'A server of the service NAME: to, weight, mark',
    details: 'A server of the service NAME; repeat it for each. [Its keys](#keys-of-a-backend)',
  },
  'backend-mask': {
    type: 'text',
    value: 'HEX',
    default: DEFAULT_BACKEND_MASK,
    describe: 'The bits of the packet mark that say which backend',
    details:
      'The bits of the packet mark that hold the number of the backend. They must be apart from those of `--mask`, and are kept like them',
  },
  'service-queue': {
    type: 'text',
    value: 'N',
    range: [0, 65_535],
    describe: 'The NFQUEUE number for services (default: the one after the queues of the WANs)',
    details: `The number of the services' NFQUEUE. Without the flag it is the one after the queues of the WANs`,
  },
} as const satisfies Record<string, Option>;

/** Options that only the rules read. */
export const RULE_OPTIONS = {
  engine: {
    type: 'text',
    value: 'nfqueue|kernel',
    default: 'nfqueue',
    describe: 'Who chooses: the daemon, or the kernel alone',
    details: 'Who chooses: the daemon, or [the kernel alone](kernel.md)',
  },
  'kernel-mode': {
    type: 'text',
    value: 'random|nth',
    default: 'random',
    describe: 'How the kernel chooses: a draw by weight, or a rotation that has exactly the weights',
    details:
      'How the kernel chooses, alone or while the daemon is away: `random` draws by weight, `nth` is an exact rotation. See [how the kernel chooses](kernel.md#how-the-kernel-chooses)',
  },
  per: {
    type: 'text',
    value: 'connection|packet',
    default: 'connection',
    describe: 'With --engine kernel: what is spread; packets are for tunnels to one far end',
    details:
      'What is spread. `packet` needs `--engine kernel`, and is for [tunnels to one far end](kernel.md#packets-instead-of-connections)',
  },
  'last-resort': {
    type: 'text',
    value: 'main|unreachable|blackhole',
    default: 'main',
    describe: 'Where new connections go when no WAN is up: the main table, an ICMP error, or nowhere',
    details:
      'What becomes of new connections when no WAN is up: they go by the main table, get an ICMP error, or vanish. The last two take the highest mark of the mask',
  },
  lan: {
    type: 'list',
    value: 'DEV',
    describe: 'Balance new connections from this device only (default: every device that is not a WAN)',
    details:
      'Balances only what comes in by this device; repeat it for each. Without the flag, what comes in by any device that is not a WAN is balanced',
  },
  own: {
    type: 'text',
    value: 'on|off',
    default: 'on',
    describe: "Balance the router's own connections, or leave them all to the main table",
    details:
      "Whether the router's own connections are balanced, too. With `off` the main table has all of them; answers to what came in, sockets bound to a WAN's address, and marks that programs set go by that WAN all the same",
  },
  'respect-marks': {
    type: 'text',
    value: 'on|off',
    default: 'on',
    describe: 'Leave alone what another program marked for a routing table of its own',
    details:
      'Whether ip rules of others that ask for a mark hold before ours, so that what they lead takes no WAN. With `off` only those in front of `--priority` do. See [policy routing](coexistence.md#pbr-tailscale-and-others-that-mark-packets)',
  },
  exclude: {
    type: 'list',
    value: 'NET',
    describe: 'Leave connections to this network alone',
    details: 'Leaves connections to this network alone; repeat it for each',
  },
  table: {
    type: 'text',
    value: 'N',
    range: [256, 999_999_999],
    default: '1000',
    describe: 'Where the routing tables of the WANs begin: the WAN with mark K has table N + K',
    details:
      "Where the routing tables of the WANs begin: the WAN with mark K has table N + K, and the router's own packets have table N. Change it where other programs use these numbers",
  },
  priority: {
    type: 'text',
    value: 'N',
    range: [1, 32_761],
    default: '20000',
    describe: 'The first of five priorities of our ip rules: N to N + 4',
    details:
      'The first of five priorities of our ip rules: N to N + 4. Rules of other programs [hold before ours](coexistence.md)',
  },
  'log-kernel': {
    type: 'switch',
    describe: 'LOG the first packet of each connection, by mark, in the kernel log',
    details: 'Writes the first packet of each connection to the kernel log, by mark',
  },
  'forward-accept': {
    type: 'switch',
    describe: 'Accept what goes to and from the backends in FORWARD, whatever its policy',
    details:
      'Accepts in FORWARD what goes to the backends and comes from them. See [services](services.md#behind-a-firewall-that-drops)',
  },
} as const satisfies Record<string, Option>;

/** Options that only the daemon reads. */
export const RUN_OPTIONS = {
  up: {
    type: 'switch',
    describe: 'Bring the rules up first, or over to this configuration; they stay when the daemon ends',
    details:
      'Brings the rules up first, as `wanmark up` does, or over to this configuration. They stay when the daemon ends; `wanmark down` takes them away',
  },
  strategy: {
    type: 'text',
    value: 'NAME|FILE',
    default: 'weighted',
    describe: 'A name (weighted, source-hash, least-connections ...), or a file of your own',
    details: 'A [built-in strategy](strategies.md) by name, or a file of your own',
  },
  count: {
    type: 'text',
    value: 'live|established',
    default: 'live',
    describe: 'Which connections count: all live ones, or only TCP in ESTABLISHED',
    details:
      'Which connections count: `live` takes TCP from SYN_SENT to ESTABLISHED, and other protocols for as long as conntrack has them; `established` takes only TCP in ESTABLISHED',
  },
  'pair-families': {
    type: 'switch',
    describe: "Send a host's IPv4 and IPv6 connections by the same WAN, by its MAC address",
    details:
      "Sends a host's IPv4 and IPv6 connections by the same WAN, by its MAC address. See [strategies](strategies.md#both-families-of-a-host-by-one-wan)",
  },
  'counts-file': {
    type: 'text',
    value: 'FILE',
    describe: 'Take the counts from this file ("200, 1": 200 connections on mark 1) instead of conntrack',
    details:
      'Takes the counts from a file instead of conntrack, and reads it again when it changes: a line `200, 1` means 200 connections on mark 1',
  },
  'high-mark': {
    type: 'text',
    value: 'N',
    describe: 'No WANs, just marks 1..N for iptables rules of your own',
    details:
      'There are no WANs, just the marks 1 to N for iptables rules of your own. See [the bare selector](strategies.md#the-bare-selector)',
  },
  weights: {
    type: 'text',
    value: 'A,B,...',
    describe: 'With --high-mark: the weight of each mark',
    details: 'Goes with `--high-mark`: the weight of each mark',
  },
  deadline: {
    type: 'text',
    value: 'MS',
    range: [1, 10_000],
    default: '50',
    describe: 'How long a packet waits for the strategy before the kernel chooses',
    details: 'How many milliseconds a packet waits for the strategy before the kernel chooses, 1 to 10000',
  },
  'queue-length': {
    type: 'text',
    value: 'N',
    range: [1, 65_536],
    default: '8192',
    describe: 'How many packets may wait in the kernel; beyond, it chooses itself',
    details: 'How many packets may wait in the kernel, 65536 at most. Beyond that the kernel chooses itself',
  },
  'no-repair': {
    type: 'switch',
    describe: 'Only log it when somebody removes our rules or routes; do not put them back',
    details:
      'The daemon only logs it when somebody removes our rules or routes, and does not put them back. See [what breaks](failsafe.md#rules-that-somebody-removes)',
  },
  check: {
    type: 'list',
    value: 'WAN=KIND,to=...',
    describe: 'Probe a WAN, or all: ping, tcp, http, dns, script; interval, timeout, fall, rise, quorum ...',
    details:
      'Probes a WAN, or `all`; repeat it for each. [Its keys](#keys-of-a-check). See [health](health.md)',
  },
  'on-down': {
    type: 'text',
    value: 'all|udp|none',
    default: 'all',
    describe: 'Which connections of a WAN that went down are cut, so that they are made again by another',
    details:
      'Which connections of a WAN that went down are cut, so that they are made again by another. Those that were never answered are cut in any case',
  },
  hook: {
    type: 'list',
    value: 'FILE',
    describe:
      'Run this program after each change of a WAN: ACTION, INTERFACE, DEVICE as from mwan3, and JSON',
    details:
      'Runs this program (an absolute path) after each change of a WAN; repeat it for each. See [hooks](hooks.md)',
  },
  'hook-timeout': {
    type: 'text',
    value: 'SECONDS',
    range: [1, 3600],
    default: '30',
    describe: 'How long a hook may run until it is killed',
    details: 'How long a hook may run until it is killed, 1 to 3600',
  },
  'hook-user': {
    type: 'text',
    value: 'USER',
    describe: "Run hooks and check scripts as this user (default: the daemon's own)",
    details:
      "The user whom hooks and checks of the kind `script` are run as, without any capability. Without the flag it is the daemon's own. See [hooks](hooks.md#as-another-user)",
  },
  'up-after': {
    type: 'text',
    value: 'SECONDS',
    range: [0, 3600],
    default: '30',
    describe: 'How long a WAN that was down must work without a break until it is up',
    details: 'How long a WAN that was down must work without a break until it is up, 0 to 3600',
  },
  'slow-start': {
    type: 'text',
    value: 'SECONDS',
    range: [0, 3600],
    default: '30',
    describe: 'How long a WAN that came up takes to get its full share, from a tenth on (0: at once)',
    details:
      'How long a WAN that came up takes to get its full share, beginning with a tenth, 0 to 3600; 0 gives it the whole share at once',
  },
  'on-up': {
    type: 'text',
    value: 'none|udp|all',
    default: 'udp',
    describe: 'Which connections a WAN that came up takes back from the backups that it replaces',
    details:
      'Which connections a WAN that came up takes back from the backups that it replaces. `udp` moves UDP and connections that were never answered',
  },
  'second-chance': {
    type: 'text',
    value: 'on|off',
    default: 'on',
    describe: 'Give a TCP connection that its WAN does not answer another WAN with its next SYN',
    details:
      'Gives a TCP connection that its WAN does not answer within 0.9 s another WAN with its next SYN, and so for the servers of a service. See [health](health.md#a-second-chance)',
  },
  passive: {
    type: 'text',
    value: 'off|avoid|on',
    default: 'on',
    describe:
      "Judge WANs by clients' connections: not at all, to avoid one, or as down when asking confirms it",
    details:
      "What clients' connections can do to a WAN: nothing (`off`), keep new ones off it while it does not answer (`avoid`), or, when asking confirms it, have it treated as down (`on`). See [health](health.md#suspected)",
  },
  'probe-clients-destinations': {
    type: 'text',
    value: 'on|off',
    default: 'on',
    describe: 'When a WAN is in doubt, send SYNs to a few destinations that answered clients lately',
    details:
      'When a WAN is in doubt, sends SYNs to a few destinations that answered clients lately, at most 1000 an hour; `off` leaves only the targets of `--check`',
  },
  socket: {
    type: 'text',
    value: 'PATH',
    default: DEFAULT_SOCKET,
    describe: 'Where `wanmark status` asks (or $WANMARK_SOCKET)',
    details: 'Where `status`, `set` and `reload` ask the daemon. `$WANMARK_SOCKET` says the same',
  },
  'log-mark': {
    type: 'switch',
    describe: 'A log line for each decision',
    details: 'Writes a log line for each decision',
  },
  'log-packet': {
    type: 'switch',
    describe: 'Log the packet with each decision, decoded and in hex',
    details:
      'Adds the packet to the line of `--log-mark`: its headers, decoded, and its first 128 bytes in hex',
  },
} as const satisfies Record<string, Option>;

/** The flag that every command takes besides these; it cannot stand in the file itself. */
export const CONFIG_OPTION = {
  type: 'text',
  value: 'FILE',
  describe: 'YAML or JSON file with the same keys; flags win',
  details: 'A YAML or JSON [file](#the-configuration-file) with the same keys. Flags win over it',
} as const satisfies Option;

/** Every option that a configuration file may hold, no matter which command reads it. */
export const OPTIONS: Readonly<Record<string, Option>> = {
  ...WAN_OPTIONS,
  ...POLICY_OPTIONS,
  ...SERVICE_OPTIONS,
  ...RULE_OPTIONS,
  ...RUN_OPTIONS,
};

/** All the values of an option that has only a few; undefined for others. */
export function choicesOf({ value = '' }: Pick<Option, 'value'>): readonly string[] | undefined {
  return /^[a-z]+(\|[a-z]+)+$/.test(value) ? value.split('|') : undefined;
}

/** The values as the flags or the file give them, not yet checked. */
export type RawConfig = Readonly<Record<string, unknown>>;

/** The options among these that the rules depend on. */
export function ruleOptions(raw: RawConfig): RawConfig {
  const keys = { ...WAN_OPTIONS, ...POLICY_OPTIONS, ...SERVICE_OPTIONS, ...RULE_OPTIONS };
  return Object.fromEntries(Object.entries(raw).filter(([key]) => Object.hasOwn(keys, key)));
}
