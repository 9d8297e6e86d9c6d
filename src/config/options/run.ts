import type { Option } from '../option.js';

/** The socket where the daemon answers `wanmark status` and `wanmark set`. */
export const DEFAULT_SOCKET = '/run/wanmark/wanmark.sock';

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
