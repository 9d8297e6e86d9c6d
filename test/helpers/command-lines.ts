import { fileURLToPath } from 'node:url';
import type { Host } from '#wanmark/lab/host.js';
import { Program } from '#wanmark/lab/program.js';
import type { CommandAnswer } from '../netns/rules-actor.js';

const ACTOR = [process.execPath, fileURLToPath(new URL('../netns/rules-actor.js', import.meta.url))];

/**
 * Runs command lines of `wanmark` one after the other in one process, since the start of a process takes longer than
 * most commands. Not for those that wait, such as `run`.
 */
export class CommandLines {
  readonly #actor: Program;

  private constructor(actor: Program) {
    this.#actor = actor;
  }

  /** On a host of a lab, until the lab ends. */
  static on(host: Pick<Host, 'spawn'>): CommandLines {
    return new CommandLines(host.spawn(ACTOR));
  }

  /** On this machine, until `end`. */
  static here(): CommandLines {
    return new CommandLines(new Program(ACTOR));
  }

  async run(...args: readonly string[]): Promise<CommandAnswer> {
    const answers = this.#actor.lines.length;
    this.#actor.write(`${JSON.stringify({ args })}\n`);
    return JSON.parse(await this.#actor.until(() => this.#actor.lines[answers], `the answer to ${args}`));
  }

  async end(): Promise<void> {
    this.#actor.end();
    await this.#actor.exited;
  }
}
