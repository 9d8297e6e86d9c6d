import type { BareMark } from '../core/bare-mark.js';
import type { Service } from '../core/service.js';
import type { Wan } from '../core/wan.js';
import { UsageError } from '../errors.js';
import type { MarkFields } from './fields.js';
import { highestWanMark } from './last-resort.js';
import { parseMarks } from './marks.js';
import type { Numbers } from './numbers.js';
import type { RawConfig } from './options.js';
import { readList } from './raw.js';
import { parseServices } from './service.js';
import { parseWans } from './wan.js';

/** The targets of connections. There is at least one WAN, bare mark or service. */
export interface TargetLists {
  /** The uplinks; empty with bare marks in their place, or with services alone. */
  readonly wans: readonly Wan[];
  /** Marks 1..N for a user's own rules, in place of WANs; empty without `--high-mark`. */
  readonly marks: readonly BareMark[];
  /** The targets of new outgoing connections: the WANs or the bare marks. */
  readonly targets: readonly (Wan | BareMark)[];
  /** The services, with or without WANs. */
  readonly services: readonly Service[];
}

/** Options of services, which are refused without one. */
const SERVICE_KEYS = ['backend-mask', 'service-queue', 'forward-accept'];

/**
 * @param numbers the numbers that targets have had since `up`; a name keeps its number
 * @throws UsageError
 */
export function parseTargetLists(raw: RawConfig, fields: MarkFields, numbers: Numbers): TargetLists {
  const marks = parseMarks(raw, fields.wans);
  const wans = parseWans(readList(raw, 'wan'), fields.wans, {
    remembered: numbers.wans,
    most: highestWanMark(raw, fields.wans),
  });
  const list = readList(raw, 'service');
  const stray = list.length === 0 ? SERVICE_KEYS.find((key) => raw[key] !== undefined) : undefined;
  if (stray !== undefined) throw new UsageError(`--${stray} goes with --service; leave it out`);
  const services = parseServices(list, readList(raw, 'backend'), fields.backends, numbers.backends);
  const targets = marks.length > 0 ? marks : wans;
  if (targets.length === 0 && services.length === 0) {
    throw new UsageError(
      'no WAN given; add --wan NAME,dev=DEVICE,via=GATEWAY for each uplink, or a --service with its --backend',
    );
  }
  return { wans, marks, targets, services };
}
