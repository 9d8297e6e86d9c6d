import type { FamilyStatus, Status, WanStatus } from '../control/status.js';
import type { Metric, Sample } from './exposition.js';

/** What there is to say of each WAN. Clients are in none of it: their number has no bound. */
export function wanMetrics({ wans }: Pick<Status, 'wans'>): Metric[] {
  return [
    {
      name: 'wanmark_wan_up',
      type: 'gauge',
      help: 'Whether the WAN works in this family; one that is suspected does.',
      samples: byFamily(wans, ({ state }) => Number(state !== 'down')),
    },
    {
      name: 'wanmark_wan_suspected',
      type: 'gauge',
      help: 'Whether the WAN is suspected in this family, so that it gets no new connections while another one works.',
      samples: byFamily(wans, ({ state }) => Number(state === 'suspected')),
    },
    {
      name: 'wanmark_wan_state_changes_total',
      type: 'counter',
      help: 'How often the WAN went up or down in this family.',
      samples: byFamily(wans, ({ changes }) => changes),
    },
    {
      name: 'wanmark_wan_state_since_timestamp_seconds',
      type: 'gauge',
      help: 'When the state of the WAN in this family last changed, in seconds since 1970.',
      samples: byFamily(wans, ({ since }) => Date.parse(since) / 1000),
    },
    {
      name: 'wanmark_wan_weight',
      type: 'gauge',
      help: 'The weight of the WAN at the moment; with 0 it gets no new connections.',
      samples: byWan(wans, ({ weight }) => weight),
    },
    {
      name: 'wanmark_wan_tier',
      type: 'gauge',
      help: 'The tier of the WAN; a higher one is used when every lower one is down.',
      samples: byWan(wans, ({ tier }) => tier),
    },
    {
      name: 'wanmark_wan_connections',
      type: 'gauge',
      help: 'Live connections that leave by the WAN.',
      samples: byWan(wans, ({ connections }) => connections),
    },
    {
      name: 'wanmark_wan_bytes_total',
      type: 'counter',
      help: 'Bytes by the WAN, whoever decided, as its device or the rules count them: in is what comes from it.',
      samples: wans.flatMap(({ name, traffic }) => [
        { labels: { wan: name, direction: 'in' }, value: traffic?.inBytes },
        { labels: { wan: name, direction: 'out' }, value: traffic?.outBytes },
      ]),
    },
  ];
}

function byWan(wans: readonly WanStatus[], value: (wan: WanStatus) => number | null): Sample[] {
  return wans.map((wan) => ({ labels: { wan: wan.name }, value: value(wan) }));
}

function byFamily(wans: readonly WanStatus[], value: (state: FamilyStatus) => number): Sample[] {
  return wans.flatMap(({ name, families }) =>
    families.map((one) => ({ labels: { wan: name, family: `ipv${one.family}` }, value: value(one) })),
  );
}
