import { spawn } from 'node:child_process';
import { type Stats, statSync } from 'node:fs';
import { constants } from 'node:os';
import { SystemError } from '../errors.js';
import { needNetAdmin } from '../system/privilege.js';
import { runDirectory } from '../system/run-directory.js';

/** The commands that read or write the state of the rules. */
const COMMANDS = new Set(['run', 'up', 'down', 'refresh', 'check', 'doctor']);
/** What of root's is kept. With --no-new-privs, no program that is started gets more. */
const KEPT = ['--inh-caps', '--ambient-caps', '--bounding-set'].map((set) => `${set}=-all,+net_admin`);
/** Signals that are for the command and not for the process that waits for it. */
const PASSED: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Runs a command of root's as the user who owns the state of the rules, with CAP_NET_ADMIN and no other capability: what
 * root writes there, the services of that user could not write any more, and root would run the programs that the state
 * names.
 * @param command how this process was started, with `args` at its end
 * @returns the exit code; undefined where the command is to go on in this process
 * @throws SystemError
 */
export async function runAsOwner(
  args: readonly string[],
  command: readonly string[],
): Promise<number | undefined> {
  if (process.geteuid?.() !== 0 || !COMMANDS.has(args[0] ?? '')) return undefined;
  const owner = ownerOf(runDirectory());
  if (owner === undefined || owner.uid === 0) return undefined;
  needNetAdmin();
  const user = ['--reuid', String(owner.uid), '--regid', String(owner.gid), '--clear-groups'];
  return wait(['setpriv', ...user, '--no-new-privs', ...KEPT, '--', ...command]);
}

function ownerOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function wait([program, ...args]: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program!, args, { stdio: 'inherit' });
    const pass = (signal: NodeJS.Signals) => child.kill(signal);
    for (const signal of PASSED) process.on(signal, pass);
    const done = () => {
      for (const signal of PASSED) process.off(signal, pass);
    };
    child.on('error', (error) => {
      done();
      reject(
        new SystemError('NO_SETPRIV', `cannot run setpriv: ${error.message}; apt-get install util-linux`),
      );
    });
    child.on('exit', (code, signal) => {
      done();
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}
