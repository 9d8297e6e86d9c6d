import type { CheckStatus, Status } from '../control/status.js';
import type { Labels, Metric } from './exposition.js';

/** What the checks of the WANs find. */
export function checkMetrics({ wans }: Pick<Status, 'wans'>): Metric[] {
  const checks = distinct(
    wans.flatMap(({ name, checks: those }) =>
      those.map((check) => ({
        check,
        labels: { wan: name, family: `ipv${check.family}`, check: nameOf(check) },
      })),
    ),
  );
  return [
    {
      name: 'wanmark_check_rtt_seconds',
      type: 'gauge',
      help: 'The shortest round trip that the check measured in its last round.',
      samples: checks.map(({ check, labels }) => ({
        labels,
        value: check.rttMs === null ? null : check.rttMs / 1000,
      })),
    },
    {
      name: 'wanmark_check_loss_ratio',
      type: 'gauge',
      help: 'The part of the probes of the last minute that were lost, 0 to 1.',
      samples: checks.map(({ check, labels }) => ({ labels, value: check.loss })),
    },
    {
      name: 'wanmark_check_probes_total',
      type: 'counter',
      help: 'Probes by the WAN to the target, by what became of them.',
      samples: checks.flatMap(({ check, labels: { wan } }) =>
        check.probes.flatMap(({ target, answered, lost }) => [
          { labels: { wan, target, result: 'answered' }, value: answered },
          { labels: { wan, target, result: 'lost' }, value: lost },
        ]),
      ),
    },
  ];
}

/** What tells the checks of a WAN apart: `ping 1.1.1.1,9.9.9.9`. */
function nameOf({ kind, targets }: CheckStatus): string {
  return `${kind} ${targets.join(',')}`;
}

interface Named {
  readonly check: CheckStatus;
  readonly labels: Labels & { readonly check: string; readonly wan: string };
}

/** Numbers the checks that differ only in what is not in their names, such as their limits. */
function distinct(checks: readonly Named[]): Named[] {
  const seen = new Map<string, number>();
  return checks.map((one) => {
    const key = Object.values(one.labels).join('\n');
    const times = (seen.get(key) ?? 0) + 1;
    seen.set(key, times);
    if (times === 1) return one;
    return { ...one, labels: { ...one.labels, check: `${one.labels.check} #${times}` } };
  });
}
