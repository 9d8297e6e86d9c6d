import type { BareMark } from '../core/bare-mark.js';
import type { MarkField } from '../core/mark.js';
import { UsageError } from '../errors.js';
import { parseInteger } from './number.js';
import type { RawConfig } from './options.js';
import { readList, readText } from './raw.js';

/** The bare marks of `--high-mark`, which stands instead of WANs and services; empty without it. @throws UsageError */
export function parseMarks(raw: RawConfig, field: MarkField): readonly BareMark[] {
  const highMark = readText(raw, 'high-mark');
  const weights = readText(raw, 'weights');
  if (highMark !== undefined) {
    for (const key of ['wan', 'service']) {
      if (readList(raw, key).length > 0)
        throw new UsageError(`--high-mark is for rules of your own; leave --${key} out`);
    }
    return bareMarks(highMark, weights, field);
  }
  if (weights !== undefined)
    throw new UsageError('--weights goes with --high-mark; give each --wan its weight=');
  return [];
}

function bareMarks(highMark: string, weights: string | undefined, field: MarkField): readonly BareMark[] {
  const count = parseInteger('high-mark', highMark, 1, Number.MAX_SAFE_INTEGER);
  if (count > field.max) {
    throw new UsageError(
      `high-mark ${count} is outside the mask, which holds 1..${field.max}; use a wider --mask`,
    );
  }
  const shares = weights?.split(',') ?? [];
  if (weights !== undefined && shares.length !== count) {
    throw new UsageError(`--weights has ${shares.length} values for ${count} marks; give one for each`);
  }
  const marks = Array.from({ length: count }, (_, i) =>
    Object.freeze({
      name: `mark${i + 1}`,
      weight: parseInteger('weights:', shares[i] ?? '1', 0, 65535),
      tier: 1 as const,
      mark: i + 1,
    }),
  );
  if (marks.every((mark) => mark.weight === 0))
    throw new UsageError('all weights are 0; give one mark 1 or more');
  return marks;
}
