import type { Option } from '../option.js';

/** Options that only the rules read. */
export const RULE_OPTIONS = {
  engine: {
    type: 'text',
    value: 'nfqueue|ahead|kernel',
    default: 'nfqueue',
    describe:
      'Who chooses: the daemon for each packet, the daemon before there are packets, or the kernel alone',
    details:
      'Who chooses: the daemon, which is asked in a queue (`nfqueue`); the daemon, which writes its choices into the rules before there are packets, with `--backend nft` ([`ahead`](nftables.md#choices-written-ahead)); or [the kernel alone](kernel.md)',
  },
  firewall: {
    type: 'text',
    value: 'iptables|nft|auto',
    default: 'iptables',
    describe: 'Who has the rules: iptables, or nft alone (--backend nft says the same)',
    details:
      'Who has the rules: `iptables`, `nft` alone, or `auto`, which takes nft where it fits. `--backend nft` says the same. See [nftables](nftables.md)',
  },
  'kernel-mode': {
    type: 'text',
    value: 'random|nth|hash:FIELDS',
    default: 'random',
    describe: 'How the kernel chooses: a draw by weight, an exact rotation, or with nft a hash of the packet',
    details:
      'How the kernel chooses, alone or while the daemon is away: `random` draws by weight, `nth` is an exact rotation, `hash:src,sport` and the like keep on one WAN what is equal in these fields, with `--backend nft` only. See [how the kernel chooses](kernel.md#how-the-kernel-chooses)',
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
