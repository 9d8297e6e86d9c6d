import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { SystemError } from '../errors.js';
import { SYSTEM_PATH } from '../system/run.js';

/** How a program ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The processes whose parent is `pid`. */
export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        // "pid (name) state ppid": the name may hold blanks and parentheses, so count from the last one.
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid;
      } catch {
        return false; // the process has ended since the listing
      }
    })
    .map(Number);
}

/**
 * A running program. Its output is kept, and its lines can be waited for.
 *
 * The program has a session of its own, so that a Ctrl-C on the terminal reaches this process alone, which then ends
 * everything in order.
 */
export class Program {
  /** Settles when the program has ended and its output has been read. Never rejects. */
  readonly exited: Promise<Exit>;
  /** The lines of standard output so far. */
  readonly lines: string[] = [];
  stderr = '';
  readonly #argv: readonly string[];
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #forks: boolean;
  readonly #watchers = new Set<() => void>();
  #exit: Exit | undefined;
  #failure: Error | undefined;

  /**
   * @param label the argv that errors show
   * @param forks whether `argv` is an `nsenter` that forks to enter a process namespace: signals then go to its child
   */
  constructor(argv: readonly string[], label: readonly string[] = argv, forks = false) {
    this.#argv = label;
    this.#forks = forks;
    this.#child = spawn(argv[0]!, argv.slice(1), {
      stdio: 'pipe',
      detached: true,
      // A sandbox has a /run of its own, and no /var/lib.
      env: { ...process.env, PATH: SYSTEM_PATH, LC_ALL: 'C', WANMARK_STATE: '/run/wanmark-state' },
    });
    this.#child.stdin.on('error', () => {}); // EPIPE when the program ends first; its exit is reported anyway
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#notify();
    });
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      this.lines.push(line);
      this.#notify();
    });
    this.exited = new Promise((resolve) => {
      const end = (exit: Exit) => {
        this.#exit = exit;
        this.#notify();
        resolve(exit);
      };
      this.#child.on('error', (error) => {
        this.#failure = error;
        end({ code: 127, signal: null });
      });
      this.#child.on('close', (code, signal) => end({ code, signal }));
    });
  }

  /** The process id, as seen from outside; it is that of the `nsenter` that runs the program, where there is one. */
  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get running(): boolean {
    return this.#exit === undefined;
  }

  /** Calls `callback` after each piece of output, and once when the program has ended. */
  onOutput(callback: () => void): void {
    this.#watchers.add(callback);
  }

  write(text: string): void {
    this.#child.stdin.write(text);
  }

  /** Closes the program's standard input, after writing `text`. */
  end(text = ''): void {
    this.#child.stdin.end(text);
  }

  /** The lines of standard output so far, as one text. */
  get stdout(): string {
    return this.lines.map((line) => `${line}\n`).join('');
  }

  /** Sends a signal to the program itself; resolves when the signal is sent or the program has ended. */
  async kill(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    // nsenter stops itself when its child is stopped, so it has to be continued as well.
    if (signal === 'SIGCONT' && this.#forks && this.running) process.kill(this.pid, signal);
    while (this.running) {
      const [pid] = this.#forks ? childrenOf(this.pid) : [this.pid];
      if (pid !== undefined) {
        try {
          process.kill(pid, signal);
        } catch {
          // ESRCH: the process has just ended.
        }
        return;
      }
      // No child yet, or no child any more: nsenter has not forked, or is about to end.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /**
   * Waits until `look`, called after each piece of output, returns something.
   * @throws {SystemError} when the program ends, or `timeoutMs` passes, before that
   */
  async until<T>(look: () => T | undefined, what: string, timeoutMs = 120_000): Promise<T> {
    const found = look();
    if (found !== undefined) return found;
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void) => {
        clearTimeout(timer);
        this.#watchers.delete(watch);
        settle();
      };
      const watch = () => {
        const value = look();
        if (value !== undefined) finish(() => resolve(value));
        else if (this.#exit) finish(() => reject(this.error(`ended before ${what}`)));
      };
      const timer = setTimeout(
        () => finish(() => reject(this.error(`was not done after ${timeoutMs / 1000} s: ${what}`))),
        timeoutMs,
      );
      this.#watchers.add(watch);
      watch();
    });
  }

  /** Waits for a line on standard output; one that came before the call counts, too. */
  waitForLine(match: RegExp | ((line: string) => boolean), timeoutMs?: number): Promise<string> {
    const fits = typeof match === 'function' ? match : (line: string) => match.test(line);
    let next = 0;
    const look = () => {
      while (next < this.lines.length) {
        const line = this.lines[next++]!;
        if (fits(line)) return line;
      }
      return undefined;
    };
    return this.until(look, `the line ${match}`, timeoutMs);
  }

  /** An error with the program's argv and the reason from its output. */
  error(what: string): SystemError {
    const said = this.stderr.trim().split('\n');
    // The reason is the line with the error of a stack trace, else the last line.
    const why = said.find((line) => /Error:/.test(line)) ?? said.at(-1);
    const reason = this.#failure?.message ?? (why || this.lines.at(-1) || 'it said nothing');
    return new SystemError('LAB_PROGRAM', `"${this.#argv.join(' ')}" ${what}: ${reason}`, {
      cause: this.#failure,
    });
  }

  #notify(): void {
    for (const watch of [...this.#watchers]) watch();
  }
}
