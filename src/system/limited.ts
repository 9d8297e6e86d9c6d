import { type ChildProcess, spawn } from 'node:child_process';
import { printable } from '../core/printable.js';
import { SYSTEM_PATH } from './run.js';

/** How much a program may take. */
export interface LimitedOptions {
  /** Variables added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** True: the program gets `env` and a PATH, and nothing else of this process's environment. */
  readonly bareEnv?: boolean;
  /** Standard input; empty by default. */
  readonly input?: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** How a program with a time limit ended. */
export interface LimitedEnd {
  /** The exit code; undefined when the program did not exit by itself. */
  readonly code: number | undefined;
  /** Why there is no exit code: a signal's name, `timeout`, `cancelled`, or the error of spawn(2). */
  readonly why: string | undefined;
  /** The last line of its standard output or error, cut to 200 characters. */
  readonly said: string;
}

const MOST_SAID = 200;

/**
 * Runs a program by argv, never through a shell, in a process group of its own. The whole group is killed at the
 * program's end, at the time limit and when it is cancelled, so that nothing it started stays. Never rejects.
 */
export function runLimited(
  argv: readonly [string, ...string[]],
  options: LimitedOptions,
): Promise<LimitedEnd> {
  const { timeoutMs, signal } = options;
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve({ code: undefined, why: 'cancelled', said: '' });
    let said = '';
    let exit: { code: number | undefined; why: string | undefined } | undefined;
    let child: ChildProcess | undefined;
    const finish = (code: number | undefined, why: string | undefined) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', cancel);
      if (child !== undefined) {
        if (exit === undefined) killGroup(child);
        child.removeAllListeners();
        // Killing it may still fail.
        child.on('error', () => {});
        // A process that left the group may still hold the pipes, but nobody reads them any more.
        for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe?.destroy();
      }
      resolve({ code, why, said: lastLine(said) });
    };
    const cancel = () => finish(undefined, 'cancelled');
    // After the exit only a process that left the group can hold the pipes open; the exit code is known already.
    const timer = setTimeout(
      () => (exit === undefined ? finish(undefined, 'timeout') : finish(exit.code, exit.why)),
      timeoutMs,
    );
    signal?.addEventListener('abort', cancel);
    try {
      child = start(argv, options, (text) => {
        said = (said + text).slice(-2 * MOST_SAID);
      });
    } catch (error) {
      return finish(undefined, (error as NodeJS.ErrnoException).code ?? String(error));
    }
    const started = child;
    child.on('error', (error: NodeJS.ErrnoException) => finish(undefined, error.code ?? error.message));
    child.on('exit', (code, signalName) => {
      exit = { code: code ?? undefined, why: signalName ?? undefined };
      killGroup(started);
    });
    child.on('close', () => finish(exit?.code, exit?.why));
  });
}

function start(
  [file, ...args]: readonly [string, ...string[]],
  { env, bareEnv, input }: LimitedOptions,
  onOutput: (text: string) => void,
): ChildProcess {
  const child = spawn(file, args, {
    detached: true,
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    env: { ...(bareEnv ? {} : process.env), PATH: SYSTEM_PATH, ...env },
  });
  // EPIPE means that the program ended without reading, which its exit tells.
  child.stdin?.on('error', () => {}).end(input);
  for (const pipe of [child.stdout, child.stderr])
    pipe
      ?.on('error', () => {})
      .setEncoding('utf8')
      .on('data', onOutput);
  return child;
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // ESRCH: no process of the group is left.
  }
}

function lastLine(text: string): string {
  return printable(text.trim().split('\n').at(-1)!).slice(-MOST_SAID);
}
