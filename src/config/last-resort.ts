import type { MarkField } from '../core/mark.js';
import { UsageError } from '../errors.js';
import type { RawConfig } from './options.js';
import { readChoice, readText } from './raw.js';

/** What becomes of new forwarded connections when no WAN is up. */
export type LastResort = 'main' | 'unreachable' | 'blackhole';

/** The highest mark that a WAN may have. A last resort that refuses takes the highest mark of the field for itself. */
export function highestWanMark(raw: RawConfig, field: MarkField): number {
  return readText(raw, 'last-resort') === 'main' ? field.max : field.max - 1;
}

/** @throws UsageError also where one of the targets has the mark that it needs */
export function parseLastResort(
  raw: RawConfig,
  targets: readonly { readonly name: string; readonly mark: number }[],
  field: MarkField,
): LastResort {
  const lastResort = readChoice(raw, 'last-resort', ['main', 'unreachable', 'blackhole']);
  const taken = lastResort !== 'main' && targets.find(({ mark }) => mark === field.max);
  if (taken) {
    throw new UsageError(
      `WAN "${taken.name}" has mark ${taken.mark}, which --last-resort ${lastResort} needs for itself; use a wider --mask`,
    );
  }
  return lastResort;
}
