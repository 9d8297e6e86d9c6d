import { readFileSync } from 'node:fs';
import { SystemError, UsageError } from '../errors.js';
import { run } from './run.js';

/** A user whom programs are run as. */
export interface HookUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/**
 * The start of a command that runs another one as a user, with the groups of that user and without any capability. Node
 * would leave a service's ambient capabilities where they are.
 */
export function asUser({ uid, gid }: HookUser): readonly [string, ...string[]] {
  const user = ['--reuid', String(uid), '--regid', String(gid), '--init-groups'];
  return ['setpriv', ...user, '--inh-caps=-all', '--ambient-caps=-all', '--'];
}

/**
 * Finds the user and tries whether programs can be run as that user.
 * @throws UsageError for a user that does not exist; SystemError where this process cannot become that user
 */
export async function findHookUser(name: string): Promise<HookUser> {
  const user = parseUser(name, readFileSync('/etc/passwd', 'utf8')) ?? (await fromElsewhere(name));
  if (user === undefined) {
    throw new UsageError(`hook-user "${name}" does not exist; useradd --system ${name}, or leave it out`);
  }
  const [setpriv, ...args] = asUser(user);
  const { code, stderr } = await run([setpriv, ...args, 'true']);
  if (code === 0) return user;
  // setpriv itself ends with 127, too, where the kernel refuses (SETPRIV_EXIT_PRIVERR).
  const why =
    code === 127 && !stderr.startsWith('setpriv:')
      ? 'there is no setpriv; apt-get install util-linux'
      : `it needs root, or CAP_SETUID, CAP_SETGID and CAP_KILL (${stderr.trim().split('\n')[0]})`;
  throw new SystemError('HOOK_USER', `cannot run programs as hook-user ${name}: ${why}`);
}

/** Users that are not in the file: of LDAP, say. */
async function fromElsewhere(name: string): Promise<HookUser | undefined> {
  const { code, stdout } = await run(['getent', 'passwd', name]);
  return code === 0 ? parseUser(name, stdout) : undefined;
}

/** Finds a user in lines as of passwd(5). */
export function parseUser(name: string, lines: string): HookUser | undefined {
  for (const line of lines.split('\n')) {
    const [user, , uid, gid, , home = '/'] = line.split(':');
    if (user === name) return { name, uid: Number(uid), gid: Number(gid), home };
  }
  return undefined;
}
