import type { Status } from '#wanmark/control/status.js';
import type { Wanmark } from '#wanmark/lab/wanmark.js';
import { eventually } from './router-state.js';

/** The running daemon's status. It asks again where a stalled machine exceeds the client's limit of two seconds. */
export async function statusOf(wanmark: Wanmark): Promise<Status> {
  const { stdout } = await eventually(
    () => wanmark.command(['status', '--json'], 'any'),
    ({ code }) => code === 0,
    'wanmark status',
  );
  return JSON.parse(stdout) as Status;
}
