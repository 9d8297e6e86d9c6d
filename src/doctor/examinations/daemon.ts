import { OTHER_RULES } from '../../config/difference.js';
import type { WanStatus } from '../../control/status.js';
import type { Wan } from '../../core/wan.js';
import { examination, halves } from '../examination.js';

export const daemon = examination({
  name: 'daemon',
  asks: 'Whether a daemon answers, has the queues that the rules feed, and decides among the same WANs with the same weights as the rules.',
  kinds: {
    absent: {
      level: 'warning',
      means:
        'No daemon answers on the socket. The kernel chooses by weight, nothing is checked, and a dead WAN keeps its share.',
      todo: 'Start the unit `wanmark`, or `wanmark run`; with `--engine kernel` none is needed.',
    },
    queues: {
      level: 'wrong',
      means:
        'The rules hand packets to other queues than the daemon reads, so the kernel chooses for some or all of them.',
      todo: '`wanmark reload`; and give `up` and `run` the same `--queue-num` and `--queues` for the next start.',
    },
    unwritten: {
      level: 'wrong',
      means:
        'With `--engine ahead`: what the daemon chose last is not in the rules, so older choices go on, or the kernel chooses by itself.',
      todo: 'Run `up` with the configuration of the daemon; where it was run, the line says what the kernel refuses.',
    },
    differs: {
      level: 'wrong',
      means:
        'The daemon has other WANs, weights or tiers than the rules, so the shares depend on who chooses.',
      todo: '`wanmark reload` makes the rules follow the daemon. Where the rules are right, write their configuration into its file before.',
    },
    note: {
      level: 'warning',
      means:
        'The daemon itself has something to say of the rules, for example that it could not bring them up to date.',
      todo: 'Do what the line says; `journalctl -u wanmark` has the whole of it.',
    },
  },
  examine: ({ config, daemon: status, queues, notes }) => {
    if (config.rules.engine === 'kernel' && status === undefined)
      return { ok: 'none is needed with engine kernel', faults: [] };
    if (status === undefined) {
      const chooses =
        config.rules.engine === 'ahead'
          ? 'the choices of the last one go on'
          : 'the kernel chooses by weight';
      const text = `none answers, so ${chooses} and nobody checks the WANs`;
      return {
        faults: [{ kind: 'absent', text, todo: "start 'wanmark run', or say where it is (--socket)" }],
      };
    }
    const differing = differences(config.wans, status.wans);
    const isOther = queues.length > 0 || differing.length > 0;
    const faults = [
      ...queues.map((text) => ({
        kind: 'queues' as const,
        text,
        todo: "'wanmark reload' makes the rules follow the daemon",
      })),
      ...(status.ahead?.failure == null
        ? []
        : [
            {
              kind: 'unwritten' as const,
              text: `it cannot write its choices: ${status.ahead.failure}`,
              todo: "run 'wanmark up' with the daemon's configuration",
            },
          ]),
      ...(differing.length > 0
        ? [
            {
              kind: 'differs' as const,
              text: `it decides otherwise than the rules: ${differing.join(', ')}`,
              todo: "'wanmark reload' makes the rules follow it, with what its file says then",
            },
          ]
        : []),
      ...status.notes
        .filter((line) => !notes?.includes(line))
        // A line of ours has said already what differs.
        .filter((line) => !(isOther && line.startsWith(OTHER_RULES)))
        .map((line) => ({ kind: 'note' as const, ...halves(line) })),
    ];
    return { ok: faults.length === 0 ? `${status.pid} decides as the rules do` : undefined, faults };
  },
});

/** What the daemon has otherwise than the rules: `fibre: weight 5 and not 1`. What `wanmark set` changed does not count. */
function differences(ours: readonly Wan[], theirs: readonly WanStatus[]): string[] {
  const lines = ours.flatMap(({ name, weight, tier }) => {
    const other = theirs.find((one) => one.name === name);
    if (other === undefined) return [`it has no ${name}`];
    const configured = other.configuredWeight ?? other.weight;
    return [
      ...(configured === weight ? [] : [`${name}: weight ${configured} and not ${weight}`]),
      ...(other.tier === tier ? [] : [`${name}: tier ${other.tier} and not ${tier}`]),
    ];
  });
  const more = theirs.filter(({ name }) => ours.every((one) => one.name !== name));
  return [...lines, ...more.map(({ name }) => `it also has ${name}`)];
}
