import { execFile } from 'node:child_process';

/** What a finished command left. */
export interface Finished {
  /** Exit code; 127 when the program does not exist, 128 when a signal ended it or it could not be begun. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program by argv (never through a shell) and waits for it. Replace it in tests of pure logic.
 * @param environment added to that of this process
 */
export type Run = (
  argv: readonly [string, ...string[]],
  environment?: Readonly<Record<string, string>>,
) => Promise<Finished>;

/** Routers keep these outside a user's PATH. */
export const SYSTEM_PATH = [process.env.PATH, '/usr/sbin', '/sbin', '/usr/bin', '/bin']
  .filter(Boolean)
  .join(':');

const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

export const run: Run = ([file, ...args], environment = {}) =>
  new Promise((resolve) => {
    const env = { ...process.env, ...environment, PATH: SYSTEM_PATH, LC_ALL: 'C' };
    try {
      execFile(file, args, { env, maxBuffer: MAX_OUTPUT_BYTES }, (error, stdout, stderr) => {
        resolve({ code: exitCode(error), stdout, stderr });
      });
    } catch (error) {
      // Of what spawn(2) and fork(2) may say, Node calls back for some and throws the rest: ENOMEM must end no daemon.
      resolve({ code: 128, stdout: '', stderr: `${(error as Error).message}\n` });
    }
  });

function exitCode(error: (Error & { code?: unknown }) | null): number {
  if (error === null) return 0;
  if (error.code === 'ENOENT') return 127;
  return typeof error.code === 'number' ? error.code : 128;
}
