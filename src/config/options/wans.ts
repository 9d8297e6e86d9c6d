import type { Option } from '../option.js';

/**
 * The field of the WANs: 62 WANs and the last resort. It begins above what Tailscale and pbr use, ends below the bit
 * that zapret sets and below the sign of a 32-bit number, and leaves the low bytes to those who need small numbers;
 * docs/marks.md has the list.
 */
export const DEFAULT_MASK = '0x3f000000';

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
