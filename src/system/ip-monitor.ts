import { type ChildProcess, spawn } from 'node:child_process';
import { SYSTEM_PATH } from './run.js';

/** Objects of `ip monitor`, ip-monitor(8). */
export type Monitored = 'rule' | 'route' | 'address' | 'link';

/** Watches for changes with `ip monitor`. */
export class IpMonitor {
  readonly #child: ChildProcess;
  #stopped = false;

  /**
   * Starts `ip monitor`.
   * @param objects the objects whose changes count
   * @param onChange called for each piece of output, often several at once; a line begins with `[LINK]`, `[ADDR]`,
   *   `[ROUTE]` or `[RULE]`, but pieces may be cut anywhere
   * @param onEnd told when `ip monitor` ends by itself, so that nobody trusts a dead watch
   */
  constructor(objects: readonly Monitored[], onChange: (news: string) => void, onEnd: () => void) {
    this.#child = spawn('ip', ['monitor', 'label', ...objects], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, PATH: SYSTEM_PATH },
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (news: string) => this.#stopped || onChange(news));
    const ended = () => this.#stopped || onEnd();
    this.#child.once('error', ended);
    this.#child.once('exit', ended);
  }

  /** Ends it; nothing is told afterwards. */
  stop(): void {
    this.#stopped = true;
    this.#child.kill();
  }
}
