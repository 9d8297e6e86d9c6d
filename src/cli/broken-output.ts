import { complain } from './say.js';

/** Commands that do more than print: they go on, and end in their own way. */
const WORKING = ['run', 'lab', 'web'];

/**
 * Sees to an output that cannot be written, which Node would tell with a stack. A command ends in silence where its reader has
 * gone, as `head` does, and otherwise with one line and exit code 1. What standard error does not take is lost.
 */
export function outliveOutput(command: string | undefined): void {
  const mayEnd = command === undefined || !WORKING.includes(command);
  process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    const isLost = code === 'EPIPE';
    if (!isLost) {
      complain(`standard output cannot be written: ${message}`, 'err');
      process.exitCode = 1;
    }
    if (mayEnd) process.exit();
  });
  process.stderr.on('error', () => undefined);
}
