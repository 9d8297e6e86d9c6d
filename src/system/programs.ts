import { asUser, type HookUser } from './hook-user.js';
import { type LimitedEnd, type LimitedOptions, runLimited } from './limited.js';
import { doubtAbout } from './trusted.js';

/** Runs a program that the configuration names, within limits. Never rejects. */
export type RunProgram = (
  argv: readonly [string, ...string[]],
  options: LimitedOptions,
) => Promise<LimitedEnd>;

/**
 * Runs programs of the configuration as that user, or as this process where it is undefined. One that somebody else can
 * write by now is not run.
 */
export function programsAs(user: HookUser | undefined): RunProgram {
  const owners = [process.geteuid!(), ...(user === undefined ? [] : [user.uid])];
  return async (argv, options) => {
    const doubt = doubtNow(argv[0], owners);
    if (doubt !== undefined) return { code: undefined, why: `not run, since ${doubt}`, said: '' };
    if (user === undefined) return runLimited(argv, options);
    const [setpriv, ...args] = asUser(user);
    const { name, home } = user;
    const env = { USER: name, LOGNAME: name, HOME: home, ...options.env };
    const end = await runLimited([setpriv, ...args, ...argv], { ...options, env });
    return end.said.startsWith('setpriv: ') ? { code: undefined, why: end.said, said: '' } : end;
  };
}

function doubtNow(file: string, owners: readonly number[]): string | undefined {
  try {
    return doubtAbout(file, owners)?.why;
  } catch {
    // What is gone, or cannot be looked at, will say so when it is run.
    return undefined;
  }
}
