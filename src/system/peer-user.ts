import type { Socket } from 'node:net';
import { loadAddon } from '../native.js';

interface PeerAddon {
  /** The user who connected to a unix socket. @throws Error with `errno` */
  peerUser(descriptor: number): number;
}

/**
 * Whether root or this process's own user connected to our unix socket. The mode of a socket can admit a group, which may
 * look and set; what a configuration says is a matter of those who run the daemon. False where it cannot be told.
 */
export function ownsUs(socket: Socket): boolean {
  // Node has no other name for the descriptor (nodejs/node#1832).
  const { fd } = (socket as unknown as { readonly _handle?: { readonly fd?: number } })._handle ?? {};
  if (fd === undefined || fd < 0) return false;
  try {
    const user = loadAddon<PeerAddon>().peerUser(fd);
    return user === 0 || user === process.geteuid?.();
  } catch {
    return false;
  }
}
