#!/usr/bin/env node
import { constants } from 'node:os';

/** What is wrong where the loader of modules itself has no descriptors left; it loads dozens of files at once. */
function shortage({ errno, code, message }: NodeJS.ErrnoException): string | undefined {
  const line = message.split('\n', 1)[0];
  if (errno === -constants.errno.EMFILE || errno === -constants.errno.ENFILE) {
    return `${line}; raise the limit (ulimit -n, or LimitNOFILE= of a unit)`;
  }
  // The loader takes a package's description that it cannot open for missing.
  if (code === 'ERR_MODULE_NOT_FOUND')
    return `${line}; install again, or raise the limit of open files (ulimit -n)`;
  return undefined;
}

// A hangup means that the daemon is to read its configuration, which it has not begun to do.
if (process.argv[2] === 'run') process.on('SIGHUP', () => undefined);

// Nothing of ours is loaded before this, so that any shortage is one line.
try {
  const { runProgram } = await import('./command-line.js');
  await runProgram(process.argv.slice(2));
} catch (error) {
  const line = shortage(error as NodeJS.ErrnoException);
  if (line === undefined) throw error;
  process.stderr.write(`wanmark: ${line}\n`);
  process.exitCode = 1;
}
