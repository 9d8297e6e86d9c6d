import type { Status } from '#wanmark/control/status.js';
import type { Wanmark } from '#wanmark/lab/wanmark.js';
import { eventually } from './router-state.js';

/** What the running daemon says of itself. It gives a client two seconds, which a stalled machine may exceed. */
export async function statusOf(wanmark: Wanmark): Promise<Status> {
  const { stdout } = await eventually(
    () => wanmark.command(['status', '--json'], 'any'),
    ({ code }) => code === 0,
    'wanmark status',
  );
  return JSON.parse(stdout) as Status;
}
