import { hex, MarkField } from '../core/mark.js';
import { UsageError } from '../errors.js';
import { parseMask } from './number.js';
import type { RawConfig } from './options.js';
import { readList, readText } from './raw.js';

/**
 * The field of bare marks, which are for rules of the user's own: there mark 2 is 2, as in all tutorials, and has to
 * stay.
 */
const BARE_MASK = '0xff';

/** The two fields of a packet's mark. They share no bit where there are services. */
export interface MarkFields {
  /** The number of a WAN, or a bare mark. */
  readonly wans: MarkField;
  /** The number of a backend. */
  readonly backends: MarkField;
}

/** @throws UsageError */
export function parseFields(raw: RawConfig): MarkFields {
  const areBare = raw.mask === undefined && raw['high-mark'] !== undefined;
  const wans = new MarkField(parseMask(areBare ? BARE_MASK : readText(raw, 'mask')!));
  const backends = backendField(readText(raw, 'backend-mask')!);
  if (readList(raw, 'service').length > 0 && (backends.mask & wans.mask) !== 0) {
    throw new UsageError(
      `backend-mask ${hex(backends.mask)} and mask ${hex(wans.mask)} share bits; give each bits of its own`,
    );
  }
  return Object.freeze({ wans, backends });
}

/** Puts "backend-" before the complaints about a mask, which begin with "mask". */
function backendField(mask: string): MarkField {
  try {
    return new MarkField(parseMask(mask));
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`backend-${error.message}`, { cause: error });
    throw error;
  }
}
