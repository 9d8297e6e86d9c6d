import { execFile } from 'node:child_process';

/** The result of a command that has ended. */
export interface Finished {
  /** The exit code; 127 when the program does not exist, 128 when a signal ended it or it could not be started. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program by argv, never through a shell, and waits for it. Replace it in tests of pure logic. */
export type Run = (argv: readonly [string, ...string[]]) => Promise<Finished>;

/** Adds the folders of system programs, which are often not in a user's PATH. */
export const SYSTEM_PATH = [process.env.PATH, '/usr/sbin', '/sbin', '/usr/bin', '/bin']
  .filter(Boolean)
  .join(':');

const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** Runs a program of this machine, with messages in English. */
export const run: Run = ([file, ...args]) =>
  new Promise((resolve) => {
    const env = { ...process.env, PATH: SYSTEM_PATH, LC_ALL: 'C' };
    try {
      execFile(file, args, { env, maxBuffer: MAX_OUTPUT_BYTES }, (error, stdout, stderr) => {
        const code = exitCode(error);
        // A program that was never started has said nothing.
        resolve({ code, stdout, stderr: code === 128 && stderr === '' ? `${error!.message}\n` : stderr });
      });
    } catch (error) {
      // Node reports some errors of spawn(2) and fork(2) by a callback and throws the others; ENOMEM must not end the
      // daemon.
      resolve({ code: 128, stdout: '', stderr: `${(error as Error).message}\n` });
    }
  });

function exitCode(error: (Error & { code?: unknown }) | null): number {
  if (error === null) return 0;
  if (error.code === 'ENOENT') return 127;
  return typeof error.code === 'number' ? error.code : 128;
}
