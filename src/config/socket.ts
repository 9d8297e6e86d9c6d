import { UsageError } from '../errors.js';
import type { RawConfig } from './options.js';
import { readText } from './raw.js';

/** sockaddr_un's sun_path holds 108 bytes, the closing 0 included (unix(7)). */
const MAX_SOCKET_PATH = 107;

/** The path of the control socket. @throws UsageError */
export function parseSocket(raw: RawConfig): string {
  const path = readText(raw, 'socket')!;
  if (path !== '' && Buffer.byteLength(path) <= MAX_SOCKET_PATH) return path;
  throw new UsageError(`socket path "${path}" must have 1 to ${MAX_SOCKET_PATH} bytes`);
}
