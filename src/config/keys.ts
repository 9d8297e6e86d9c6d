/** One key of an item such as `fibre,dev=eth1,weight=5`. */
export interface Key {
  /**
   * The value that holds where the key is not given, as a user would write it; absent where the key is required or has
   * no default.
   */
  readonly default?: string;
  /** The description in docs/options.md. Markdown; its links start from docs/. */
  readonly details: string;
  /** Whether an item without it is refused. */
  readonly isRequired?: true;
  /**
   * What stands in a file: one text or number where nothing is said; `list`: one or several of these; `whole`: a whole
   * number; `decimal`: a number; `switch`; or a map, or a list of maps, of a form of its own.
   */
  readonly takes?: 'list' | 'whole' | 'decimal' | 'switch' | 'members' | 'sticky' | 'time' | 'ipset';
  /** The lowest and the highest number. */
  readonly range?: readonly [number, number];
  /** All the values that there are, where these are few. */
  readonly choices?: readonly string[];
}

/** The keys of an item, in the order in which they are documented and suggested. */
export type KeyTable = Readonly<Record<string, Key>>;

/** The keys of `--wan`. */
export const WAN_KEYS = {
  name: {
    isRequired: true,
    details: 'The name of the WAN: 1 to 15 letters, digits, dots, dashes or underscores',
  },
  dev: { isRequired: true, details: 'Its device. Several WANs may share one, and then differ by gateway' },
  via: {
    details:
      'Its IPv4 gateway: an address; `dev` for a point-to-point device, which needs none; or `auto` for [whatever it is at the moment](uplinks.md). Only families with a gateway are balanced; a WAN with neither `via` nor `via6` has `via=dev`, and is refused on an Ethernet device',
  },
  via6: { details: 'Its IPv6 gateway, in the same forms as `via`' },
  weight: {
    takes: 'whole',
    range: [0, 65_535],
    default: '1',
    details:
      'Its share of new connections, relative to the others, 0 to 65535. 0 drains: the WAN keeps what it has and gets nothing new',
  },
  tier: {
    takes: 'whole',
    range: [1, 65_535],
    default: '1',
    details: 'Lower tiers are preferred. A higher one is used when every lower one is down',
  },
  mark: {
    takes: 'whole',
    range: [1, 2 ** 32 - 1],
    details:
      'Its number in the mask. Without the key, a WAN gets a free number at its first `up`, which is its place in the list unless that is taken, and keeps it until `down`, however the list changes',
  },
  initial: {
    choices: ['up', 'down'],
    default: 'up',
    details:
      '`down`: the WAN gets no new connections until its checks have passed once. See [health](health.md#wans-that-start-down)',
  },
  nat: {
    default: 'masquerade',
    details: 'How IPv4 is translated: `masquerade`, `none`, an address (SNAT) or a prefix (NETMAP)',
  },
  nat6: {
    default: 'masquerade',
    details: 'The same for IPv6, with addresses and prefixes of IPv6. With `nat=none` it is `none`, too',
  },
} as const satisfies KeyTable;

/** The keys of `--policy`. */
export const POLICY_KEYS = {
  name: {
    isRequired: true,
    details:
      'The name of the policy: 1 to 15 letters, digits, dots, dashes or underscores. `default`, `direct`, `unreachable`, `blackhole` and the names of WANs are policies already',
  },
  use: {
    isRequired: true,
    takes: 'members',
    details:
      'Its WANs, joined by `+`, each with a weight and a tier of its own in this policy: `dsl+lte:tier=2`, `fibre:weight=5+dsl`. Without them both are 1. In a file a list, as in `[dsl, { wan: lte, tier: 2 }]`',
  },
  strategy: { details: 'A [strategy](strategies.md); without the key, the one of `--strategy`' },
  none: {
    details:
      'What becomes of its connections when none of its WANs is up: `main` (they go by the main table), `unreachable` (an ICMP error), `blackhole`, or the name of another policy. Without the key, what `--last-resort` says',
  },
  sticky: {
    takes: 'sticky',
    details:
      'Keeps each client on its WAN: `src` (an address; with IPv6 a network /64) or `src+dst` (a client with one server), `for` a time since its last new connection (`90s`, `10m`, `1h`; `10m` without it), and `bound`: as `src:for=1h:bound=1.25`. In a file a map of `by`, `for` and `bound`. See [sticky](policies.md#sticky)',
  },
} as const satisfies KeyTable;

/** The keys of `--rule`; a flag begins with the policy. */
export const RULE_KEYS = {
  policy: {
    isRequired: true,
    details:
      'The policy of the connections that match: one of `--policy`, a WAN (by it and by no other), `default` (every WAN), `direct` (the main table), `unreachable` or `blackhole`. A flag begins with it: `--rule voice,from=192.168.9.50`',
  },
  from: {
    takes: 'list',
    details:
      'Where they come from: addresses, networks, ranges (`192.168.1.5-192.168.1.9`), masks with holes (`0.0.0.1/0.0.0.1`: the odd addresses)',
  },
  to: { takes: 'list', details: 'Where they go, in the same forms' },
  proto: { takes: 'list', details: 'Protocols, by name or number: `tcp`, `udp`, `icmp`, `gre`, `50`' },
  sport: { takes: 'list', details: 'Source ports: numbers, ranges, names of /etc/services. Needs `proto`' },
  dport: { takes: 'list', details: 'Destination ports: `5060+10000-20000`, `https`. Needs `proto`' },
  in: {
    takes: 'list',
    details: 'Devices that they come in by; a `+` at the end of a name stands for any characters: `wg+`',
  },
  mac: { takes: 'list', details: 'MAC addresses of the senders' },
  family: { choices: ['4', '6'], details: '`4` or `6`. Without the key both, or that of the addresses' },
  set: { takes: 'list', details: 'Names of sets, one of which has the destination' },
  dscp: { takes: 'list', details: 'Values of the DSCP field: 0 to 63, or names such as `ef` and `af41`' },
  fwmark: {
    takes: 'list',
    details: 'Bits of the mark that others set, as `VALUE/MASK`, apart from those of `--mask`',
  },
  time: {
    takes: 'time',
    details:
      'Days, hours and a time zone: `mon-fri 08:00-18:00`, `sat+sun`, `22:00-06:00 utc`, `08:00-18:00 Europe/Berlin`. A night belongs to the day on which it begins. In a file also a map of `days`, `hours` and `zone`',
  },
  own: {
    takes: 'switch',
    details: "`true`: only the router's own connections; `false`: only those of others. Without the key both",
  },
  uid: {
    takes: 'list',
    details: 'The users whose programs on the router make them: names, ids, ranges of ids',
  },
} as const satisfies KeyTable;

/** The keys of `--set`. */
export const SET_KEYS = {
  name: {
    isRequired: true,
    details: 'The name by which a rule asks it: 1 to 20 letters, digits, dots, dashes or underscores',
  },
  net: { takes: 'list', details: 'Its networks, of either family, joined by `+`' },
  file: { details: 'The absolute path of a file with a network to a line; behind `#` is a comment' },
  external: {
    takes: 'ipset',
    details:
      'An ipset of that name, which somebody else fills; `external=NAME` where it has another name. [With nft](nftables.md#sets-that-others-fill) it is a set of our table',
  },
} as const satisfies KeyTable;

/** The keys of `--service`. */
export const SERVICE_KEYS = {
  name: { isRequired: true, details: 'The name of the service, by which `--backend` refers to it' },
  listen: {
    isRequired: true,
    details:
      "Its address: `192.0.2.1:80/tcp`, `192.0.2.1:53/udp`, `[2001:db8::1]:80/tcp`, ports as in `192.0.2.1:8000-8100/tcp`, or all of an address, `192.0.2.1/any`. It is the router's own, or one whose way leads by the router. [Any address of a device](services.md#on-a-device) is `dev:ppp0:80/tcp`",
  },
  snat: {
    default: 'auto',
    details:
      'Whose address the servers see: `auto`, `none` or an address. See [services](services.md#the-way-back)',
  },
  strategy: {
    default: 'weighted',
    details: 'A [strategy](strategies.md), whose candidates are the backends of the service',
  },
} as const satisfies KeyTable;

/** The keys of `--backend`; a flag's first word is the service. */
export const BACKEND_KEYS = {
  service: { details: 'The name of its service, with which a flag begins: `--backend web,to=...`' },
  name: { details: 'In a file, this may stand in place of `service`' },
  to: {
    isRequired: true,
    details:
      'The server: `10.0.0.2:8080`, or without a port, which then stays the one that the client asked for. Its family is that of `listen`',
  },
  weight: {
    takes: 'whole',
    range: [0, 65_535],
    default: '1',
    details: 'Its share of new connections, 0 to 65535. 0 drains: it keeps what it has and gets nothing new',
  },
  tier: {
    takes: 'whole',
    range: [1, 65_535],
    default: '1',
    details: 'Lower tiers are preferred. A higher one is used when every backend of the lower ones is down',
  },
  mark: {
    takes: 'whole',
    range: [1, 2 ** 32 - 1],
    details: 'Its number in the backend mask. Without the key it is its place in the list of all backends',
  },
} as const satisfies KeyTable;

/** The keys of `--check`; a flag begins with `WAN=KIND`. */
export const CHECK_KEYS = {
  wan: {
    isRequired: true,
    details:
      'The name of a WAN, `all` for every WAN, a service for each of its backends, or one of these as `web/10.0.0.2:8080`. A flag begins with it: `fibre=ping,...`',
  },
  check: {
    isRequired: true,
    choices: ['ping', 'tcp', 'http', 'dns', 'script', 'none'],
    details:
      'The kind, behind the `=` of a flag: `ping`, `tcp`, `http`, `dns` (asks a server) or `script` (a program; exit code 0 means up; it learns about the WAN from `WANMARK_DEVICE`, `_SOURCE`, `_MARK`, `_GATEWAY`, `_NAME` and `_FAMILY`). For a service or a backend also `none`: not even [the default check](services.md#servers-that-die)',
  },
  to: {
    takes: 'list',
    details:
      'The targets, joined by `+`: addresses or [names](health.md#names), for `tcp` with a port (`192.0.2.1:443`), URLs for `http`, a path for `script`. IPv4 targets judge IPv4 and IPv6 targets IPv6; a name or a script judges both. A backend itself is asked where the key is left out; `:8081`, `/health` and `:8081/health` ask another port or page of it',
  },
  interval: {
    takes: 'decimal',
    range: [0.2, 3600],
    default: '2',
    details: 'Seconds between rounds. All WANs and targets are asked in parallel',
  },
  'fail-interval': {
    takes: 'decimal',
    range: [0.2, 3600],
    details:
      'In place of `interval` after a round that failed, also while the WAN is down; without the key, `interval`',
  },
  'recover-interval': {
    takes: 'decimal',
    range: [0.2, 3600],
    details:
      'In place of `interval` after a round that passed while the WAN is down; without the key, `interval`',
  },
  timeout: {
    takes: 'decimal',
    range: [0.05, 60],
    default: '1.5',
    details:
      'Seconds until a target counts as silent; for `http` the default is 3, for `script` 5. A failed round lasts that long, so a short `interval` alone finds little sooner',
  },
  count: {
    takes: 'whole',
    range: [1, 20],
    default: '1',
    details:
      'Probes to each target in a round, 1 to 20, spread over the `timeout`. A target answers when one of them is answered; each of them counts for `loss` and `latency`. Not for `script`',
  },
  fall: {
    takes: 'whole',
    range: [1, 1000],
    default: '3',
    details: 'Rounds in a row that must fail until the WAN is down. A WAN that never worked is down after 2',
  },
  rise: {
    takes: 'whole',
    range: [1, 1000],
    default: '5',
    details: 'Rounds in a row that must pass until the WAN is up',
  },
  quorum: {
    takes: 'whole',
    range: [1, 1000],
    default: '1',
    details: 'How many targets must answer for a round to pass',
  },
  loss: {
    details: '`loss=20:10`: the WAN is down from 20 % of lost probes on, and up again below 10 %',
  },
  latency: {
    details:
      '`latency=300:150`: the same with the median time of the answers, in milliseconds. Not for `script`',
  },
  family: {
    choices: ['4', '6'],
    details: '`4` or `6`: judges that family only. Without the key, each family for which there is a target',
  },
  status: {
    default: '204',
    details:
      'For `http`: the expected status; for a backend the default is 200. A captive portal answers with another. `any` takes every answer, also that of a portal',
  },
  name: { default: '.', details: 'For `dns`: the name that the server is asked for' },
} as const satisfies KeyTable;

/** The keys of `wanmark set NAME`. */
export const CHANGE_KEYS = {
  weight: {
    details:
      '0 to 65535, or `auto` for the configured one. It cannot be 0 for all WANs, nor one that `--kernel-mode nth` cannot rotate',
  },
  state: {
    details:
      '`down`, also for the last WAN that is left; or `auto`: up at once when nothing speaks against it, which also ends a wait for coming up',
  },
} as const satisfies KeyTable;
