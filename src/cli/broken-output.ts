import { complain } from './say.js';

/** Commands that may print for ever, and change nothing. The others have to finish what they began, and end then. */
const ENDLESS = ['events', 'status', 'top'];

/**
 * Sees to an output that cannot be written, which Node would tell with a stack. Where the reader has gone, as `head` does,
 * nothing is said; otherwise there is one line, and the exit code is 1. What standard error does not take is lost.
 */
export function outliveOutput(command: string | undefined): void {
  let isTold = false;
  process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    if (code !== 'EPIPE' && !isTold) {
      complain(`standard output cannot be written: ${message}`, 'err');
      process.exitCode = 1;
    }
    isTold = true;
    if (command !== undefined && ENDLESS.includes(command)) process.exit();
  });
  process.stderr.on('error', () => undefined);
}
