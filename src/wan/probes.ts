import type { CheckResult } from './check/check.js';
import type { Clock } from './clock.js';

/** What a round found at one target. */
export interface RoundResult extends CheckResult {
  /** The results of its probes, where there were several. */
  readonly probes?: readonly CheckResult[];
}

/** The results of all probes to a target. */
export function probesOf(result: RoundResult): readonly CheckResult[] {
  return result.probes ?? [result];
}

/**
 * Probes a target `count` times. The probes begin a part of the time limit apart, since a queue that is full for a moment
 * would lose all that are sent together; so the round may last nearly twice as long.
 */
export async function probeRepeatedly(
  probe: () => Promise<CheckResult>,
  { count, timeoutMs }: { readonly count: number; readonly timeoutMs: number },
  clock: Clock,
  signal: AbortSignal,
): Promise<RoundResult> {
  const each = Array.from({ length: count }, async (_, i) => {
    if (i > 0) await pause((i * timeoutMs) / count, clock, signal);
    return probe();
  });
  const [first, ...more] = await Promise.all(each);
  return more.length === 0 ? first! : together([first!, ...more]);
}

/** One answer is an answer; without any, a probe that says nothing might have been answered. */
function together(probes: readonly CheckResult[]): RoundResult {
  const answered = probes
    .filter(({ ok }) => ok)
    .reduce<CheckResult | undefined>(
      (best, one) => (best !== undefined && (best.rttMs ?? 0) <= (one.rttMs ?? 0) ? best : one),
      undefined,
    );
  const result = answered ?? probes.find(({ inconclusive }) => inconclusive) ?? probes.at(-1)!;
  return { ...result, probes };
}

/** Waits for a time, or until the signal aborts. */
function pause(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const cancel = clock.after(ms, end);
    signal.addEventListener('abort', end);
  });
}
