import type { ExplainQuery } from '../control/explain-query.js';
import { SystemError, UsageError } from '../errors.js';
import { MAIN } from '../paths.js';
import { type Run, run as runCommand } from '../system/run.js';

/** The exit code of `timeout` where it ended the process. */
const TIMED_OUT = 124;
/** How many may wait while one question is answered, which takes half a second or more. */
const MOST_WAITING = 4;
/** A process that hangs is ended after this; `timeout` is of coreutils and busybox. */
const MOST_SECONDS = 20;

/**
 * Answers why a connection goes where it goes, by `wanmark explain` in a process of its own: it makes the plan anew and reads what
 * others have, for which no decision may wait.
 */
export class Explanations {
  readonly #socket: string;
  readonly #run: Run;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** @param socket where the process asks us for the states */
  constructor(socket: string, run: Run = runCommand) {
    this.#socket = socket;
    this.#run = run;
  }

  /** @returns JSON @throws UsageError where the question is wrong, SystemError where it has no answer or too many ask */
  explain(query: ExplainQuery): Promise<string> {
    if (this.#waiting >= MOST_WAITING)
      return Promise.reject(new SystemError('BUSY', 'too many ask for explanations; try again later'));
    this.#waiting++;
    const answer = this.#last.then(() => this.#ask(query)).finally(() => this.#waiting--);
    this.#last = answer.catch(() => undefined);
    return answer;
  }

  async #ask({ src, dst, flags }: ExplainQuery): Promise<string> {
    // With `=`, no value is taken for a flag; addresses that look like one are refused by parseExplainQuery().
    const given = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
    const argv = [MAIN, 'explain', '--json', `--socket=${this.#socket}`, ...given, src, dst];
    const { code, stdout, stderr } = await this.#run([
      'timeout',
      String(MOST_SECONDS),
      process.execPath,
      ...argv,
    ]);
    if (code === 0) return stdout;
    const line = (stderr.trim().split('\n').at(-1) ?? '').replace(/^wanmark: /, '');
    if (code === TIMED_OUT) throw new SystemError('NOT_EXPLAINED', `no answer in ${MOST_SECONDS} s`);
    throw code === 2 ? new UsageError(line) : new SystemError('NOT_EXPLAINED', line);
  }
}
