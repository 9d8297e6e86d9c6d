import type { RawConfig } from './options.js';
import { readSwitch } from './raw.js';

/** What the daemon logs of each decision. */
export interface LogConfig {
  /** Whether a line says where the connection goes. */
  readonly mark: boolean;
  /** Whether that line shows the packet; never without `mark`. */
  readonly packet: boolean;
}

/** @throws UsageError */
export function parseLog(raw: RawConfig): LogConfig {
  const packet = readSwitch(raw, 'log-packet');
  // A packet is of no use without the line that says where it went.
  return Object.freeze({ mark: readSwitch(raw, 'log-mark') || packet, packet });
}
