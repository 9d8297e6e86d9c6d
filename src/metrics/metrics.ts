import { DEFAULT_POLICY } from '../config/policy.js';
import type { AheadStatus, QueueStatus, Status, StatusV1 } from '../control/status.js';
import { checkMetrics } from './check-metrics.js';
import { exposition, type Metric } from './exposition.js';
import { wanMetrics } from './wan-metrics.js';

/** All metrics of a daemon, as text for Prometheus. @param status undefined where no daemon answers */
export function metricsText(status: StatusV1 | undefined, version: string): string {
  const known = status === undefined ? [] : daemonMetrics(status);
  return exposition([
    {
      name: 'wanmark_daemon_up',
      type: 'gauge',
      help: 'Whether the daemon answers; without it the kernel balances by the rules.',
      samples: [{ labels: {}, value: status === undefined ? 0 : 1 }],
    },
    {
      name: 'wanmark_build_info',
      type: 'gauge',
      help: 'The version of the daemon or, while none answers, of the program that is asked; always 1.',
      samples: [{ labels: { version: status?.version ?? version }, value: 1 }],
    },
    ...known,
  ]);
}

function daemonMetrics(status: StatusV1): Metric[] {
  return [
    {
      name: 'wanmark_daemon_uptime_seconds',
      type: 'gauge',
      help: 'How long the daemon has been running; its counters began then.',
      samples: [{ labels: {}, value: status.uptimeSeconds }],
    },
    {
      name: 'wanmark_rules_intact',
      type: 'gauge',
      help: 'Whether the rules of the kernel are up, whole, and go by the states of the WANs.',
      samples: [
        { labels: {}, value: status.rules && Number(status.rules.up && status.rules.failure === null) },
      ],
    },
    ...wanMetrics(status),
    ...checkMetrics(status),
    decisions(status),
    ...(status.ahead === undefined ? [] : aheadMetrics(status.ahead)),
    ...queueMetrics([...status.queues, ...(status.serviceQueue === null ? [] : [status.serviceQueue])]),
  ];
}

/** Each policy counts for itself; what no rule is for is the policy `default`. */
function decisions({ wans, policies }: Status): Metric {
  const all = [{ name: DEFAULT_POLICY, wans }, ...policies];
  return {
    name: 'wanmark_wan_decisions_total',
    type: 'counter',
    help: 'Connections that the daemon gave to the WAN, by the policy that they go by.',
    samples: all.flatMap((policy) =>
      policy.wans.map(({ name, picks }) => ({ labels: { wan: name, policy: policy.name }, value: picks })),
    ),
  };
}

function aheadMetrics({ writes, failure, lost }: AheadStatus): Metric[] {
  const one = (value: number) => [{ labels: {}, value }];
  return [
    {
      name: 'wanmark_ahead_writes_total',
      type: 'counter',
      help: 'How often choices were written into the rules.',
      samples: one(writes),
    },
    {
      name: 'wanmark_ahead_written',
      type: 'gauge',
      help: 'Whether the latest choices are in the rules.',
      samples: one(Number(failure === null)),
    },
    {
      name: 'wanmark_ahead_untold_total',
      type: 'counter',
      help: 'How often more connections began than could be told of in the mark log.',
      samples: one(lost),
    },
  ];
}

function queueMetrics(queues: readonly QueueStatus[]): Metric[] {
  const each = (value: (queue: QueueStatus) => number | null) =>
    queues.map((queue) => ({ labels: { queue: queue.num }, value: value(queue) }));
  return [
    {
      name: 'wanmark_queue_waiting',
      type: 'gauge',
      help: 'Packets that wait in the queue of the kernel for a decision; needs root to be read.',
      samples: each(({ waiting }) => waiting),
    },
    {
      name: 'wanmark_queue_verdicts_total',
      type: 'counter',
      help: 'Packets that were answered.',
      samples: each(({ verdicts }) => verdicts),
    },
    {
      name: 'wanmark_queue_dropped_total',
      type: 'counter',
      help: 'Packets that the kernel dropped since the queue or the buffer of the daemon was full; needs root to be read.',
      samples: each(({ dropped, userDropped }) =>
        dropped === null || userDropped === null ? null : dropped + userDropped,
      ),
    },
    {
      name: 'wanmark_kernel_decided_total',
      type: 'counter',
      help: 'Packets left to the choice of the kernel: the decision was late, or there was none (no WAN is up, or a strategy failed).',
      samples: queues.flatMap(({ num, kernelDecided, late }) => [
        { labels: { queue: num, reason: 'late' }, value: Math.min(late, kernelDecided) },
        { labels: { queue: num, reason: 'undecided' }, value: Math.max(0, kernelDecided - late) },
      ]),
    },
  ];
}
