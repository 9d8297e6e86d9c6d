import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { SystemError } from '../errors.js';
import { packagePath } from '../paths.js';
import { SYSTEM_PATH } from './run.js';

/** The folder of the bundled scripts. */
const SCRIPTS_DIR = packagePath('scripts/');

/** A part of our rules that is missing. */
export type Missing =
  | { readonly event: 'missing'; readonly program: string; readonly table: string; readonly what: string }
  | { readonly event: 'missing'; readonly family: number; readonly rule: string }
  | { readonly event: 'missing'; readonly family: number; readonly route: string }
  | { readonly event: 'missing'; readonly setting: string; readonly device: string };

/** A command, and the input it is given. */
export interface Ran {
  readonly event: 'ran';
  readonly command: string;
  readonly input?: readonly string[];
}

/** A failure, of a command or of the executor itself. */
export interface Failed {
  readonly event: 'failed';
  readonly said: string;
  readonly command?: string;
  /** The line of the command's input that it complained about. */
  readonly line?: string;
}

/** A line of the output of scripts/wanmark.sh. */
export type ExecutorEvent =
  | Missing
  | Ran
  | Failed
  | { readonly event: 'looked' | 'undoing' | 'undone' | 'finished' }
  | { readonly event: 'left'; readonly what: string };

/** What scripts/wanmark.sh is asked to do. */
export type ExecutorVerb = 'up' | 'refresh' | 'check' | 'down';

/** One run of the script. */
export interface Execution {
  readonly verb: ExecutorVerb;
  /** The plan's folder; undefined for `down`. */
  readonly folder?: string;
  /** Variables to add where the environment of this process does not set them. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Told of each event as it comes. */
  readonly onEvent: (event: ExecutorEvent) => void;
  /**
   * Called when the executor has looked, while it holds the lock and waits.
   * @returns whether the steps are written and it is to go on
   */
  readonly onLooked?: () => Promise<boolean>;
}

/**
 * Runs scripts/wanmark.sh. Ctrl-C reaches the script through the terminal's process group; it undoes its work by
 * itself, and we stay to see it do so.
 *
 * @returns its exit code
 * @throws what `onLooked` throws, when the script has ended
 */
export function execute({ verb, folder, environment, onEvent, onLooked }: Execution): Promise<number> {
  const stay = () => undefined;
  process.on('SIGINT', stay);
  const ended = new Promise<number>((resolve, reject) => {
    const asks = onLooked !== undefined && verb !== 'check';
    const args = [verb, ...(folder === undefined ? [] : [folder]), ...(asks ? ['--ask'] : [])];
    const child = spawn('sh', [`${SCRIPTS_DIR}wanmark.sh`, ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...environment, ...process.env, PATH: SYSTEM_PATH },
    });
    const cannotRun = (why: string) => reject(new SystemError('NO_SHELL', `cannot run sh: ${why}`));
    // Without descriptors for its pipes, spawn(2) is not even tried, and there are none.
    if (child.stdin === undefined) {
      child.on('error', (error) => cannotRun(error.message));
      return;
    }
    const pass = () => child.kill('SIGTERM');
    process.once('SIGTERM', pass);
    let trouble: unknown;
    let complaint = '';
    let hasFailed = false;
    let asked: Promise<void> = Promise.resolve();
    // EPIPE means that the script has ended, which its exit code tells.
    child.stdin.on('error', () => {});
    if (!asks) child.stdin.end();
    const answer = async () => {
      let goes = false;
      try {
        goes = (await onLooked?.()) ?? true;
      } catch (error) {
        trouble = error;
      }
      if (asks) child.stdin.end(goes ? 'go\n' : 'stop\n');
    };
    createInterface(child.stdout).on('line', (line) => {
      const event = parseEvent(line);
      if (event === undefined) return;
      hasFailed ||= event.event === 'failed';
      onEvent(event);
      if (event.event === 'looked') asked = answer();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint += text;
    });
    child.on('error', (error) => cannotRun(error.message));
    child.on('close', async (code, signal) => {
      process.off('SIGTERM', pass);
      await asked;
      // A complaint of the shell itself is a bug of the script, and must not be lost, unless the script has said more of it.
      if (complaint !== '' && !hasFailed)
        onEvent({ event: 'failed', said: complaint.trim().split('\n')[0]! });
      if (signal !== null) onEvent({ event: 'failed', said: interrupted(signal) });
      if (trouble === undefined) resolve(code ?? 1);
      else reject(trouble);
    });
  });
  return ended.finally(() => process.off('SIGINT', stay));
}

/** Says that a signal ended the script. It undid nothing then, but any later command puts things right. */
function interrupted(signal: string): string {
  return `scripts/wanmark.sh was ended by ${signal}; run 'wanmark up' to finish its work, or 'wanmark down' to undo it`;
}

function parseEvent(line: string): ExecutorEvent | undefined {
  try {
    return JSON.parse(line) as ExecutorEvent;
  } catch {
    return undefined;
  }
}
