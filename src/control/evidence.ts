import type { CheckStatus, JudgedStatus } from './status.js';

/** Why a WAN or backend is in its state: one that is up by what is known of it now, any other by what made it so. */
export function whyOf(judged: Pick<JudgedStatus, 'state' | 'checks' | 'reason' | 'awaited'>): string {
  return (judged.state === 'up' && evidenceOf(judged)) || judged.reason;
}

/**
 * By what a WAN or backend counts as up, from the last round of each check: `2 of 3 targets, 8 ms, 0 % loss`, or `carrier only` where
 * nothing asks. With several checks, the one that found the least.
 */
export function evidenceOf(
  { checks, reason, awaited = [] }: Pick<JudgedStatus, 'checks' | 'reason' | 'awaited'>,
  isChecked = reason !== 'not checked',
): string {
  const known = checks.filter(({ unknown }) => unknown === null);
  if (checks.length === 0 && awaited.length > 0) return 'first check under way';
  if (checks.length === 0) return isChecked ? '' : 'carrier only';
  const worst = known.toSorted((a, b) => part(a) - part(b) || b.loss - a.loss)[0];
  if (worst === undefined) return `not known, ${checks[0]!.unknown}`;
  const { answered, targets, rttMs, loss } = worst;
  const time = rttMs === null ? '' : `, ${rttMs < 10 ? rttMs : Math.round(rttMs)} ms`;
  const all = targets.length === 1 ? '1 target' : `${targets.length} targets`;
  const count = answered === targets.length ? all : `${answered} of ${all}`;
  return `${count}${time}, ${lossText(loss)} loss`;
}

function part({ answered, targets }: CheckStatus): number {
  return answered / targets.length;
}

function lossText(loss: number): string {
  const per = 100 * loss;
  return `${per > 0 && per < 10 ? per.toFixed(1) : per.toFixed(0)} %`;
}
