import { join } from 'node:path';
import { DEFAULT_SOCKET } from '#wanmark/config/options/run.js';
import { askDaemon } from '#wanmark/control/daemon-client.js';
import type { Status } from '#wanmark/control/status.js';
import type { Sandbox } from '#wanmark/lab/sandbox.js';
import type { Wanmark } from '#wanmark/lab/wanmark.js';
import { eventually } from './router-state.js';

/** Asks the daemon of a sandbox for what `wanmark status --json` shows, without the start of a program. */
export async function askStatus(sandbox: Sandbox): Promise<Status> {
  return (await askDaemon<Status>(join(sandbox.root, DEFAULT_SOCKET), '/status')).answer;
}

/** The running daemon's status. It asks again where a stalled machine exceeds the client's time limit. */
export async function statusOf({ lab }: Wanmark): Promise<Status> {
  const status = await eventually(
    () => askStatus(lab.sandbox).catch(() => undefined),
    (answer) => answer !== undefined,
    'wanmark status',
  );
  return status!;
}
