import type { RawConfig } from './options.js';
import { readSwitch } from './raw.js';

/** What the daemon logs of each decision. */
export interface LogConfig {
  /** One line, which says where the connection goes. */
  readonly mark: boolean;
  /** The packet in that line; never without `mark`. */
  readonly packet: boolean;
}

/** @throws UsageError */
export function parseLog(raw: RawConfig): LogConfig {
  const packet = readSwitch(raw, 'log-packet');
  // A packet without the line that says where it went would be of no use.
  return Object.freeze({ mark: readSwitch(raw, 'log-mark') || packet, packet });
}
