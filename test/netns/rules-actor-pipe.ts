import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Answer, CommandAnswer, CommandRequest, Refresh, Request } from './rules-actor.js';

/** A running rules-actor.js. It is asked synchronously, since a test's steps come one after the other. */
export class ActorPipe {
  readonly child: ChildProcess;
  readonly #requests: number;
  readonly #answers: number;

  /**
   * @param argv starts the actor
   * @param directory a folder where files may be made for a moment
   */
  constructor(argv: readonly string[], env: NodeJS.ProcessEnv, directory: string) {
    const requests = openPipe(join(directory, 'requests'));
    const answers = openPipe(join(directory, 'answers'));
    this.child = spawn(argv[0]!, argv.slice(1), {
      stdio: [requests.reader, answers.writer, 'inherit'],
      env,
    });
    closeSync(requests.reader);
    // With the actor's end alone, its death is the end of the answers.
    closeSync(answers.writer);
    this.#requests = requests.writer;
    this.#answers = answers.reader;
  }

  command(args: readonly string[]): CommandAnswer {
    return this.#ask<CommandAnswer>({ args });
  }

  /** Refreshes as the daemon does; what is said comes as from the command. */
  refresh(refresh: Refresh): CommandAnswer {
    const { code, said, changes } = this.#ask<Answer>({ verb: 'refresh', ...refresh });
    const commands = changes.map((command) => command.replaceAll(/^/gm, '# '));
    const lines = [...commands, ...said.map((line) => `wanmark: ${line}`)];
    return { status: code, stdout: '', stderr: lines.map((line) => `${line}\n`).join('') };
  }

  close(): void {
    closeSync(this.#requests);
    closeSync(this.#answers);
  }

  #ask<T>(request: Request | CommandRequest): T {
    writeSync(this.#requests, `${JSON.stringify(request)}\n`);
    const chunk = Buffer.alloc(1 << 16);
    let text = '';
    while (!text.endsWith('\n')) {
      const length = readSync(this.#answers, chunk);
      if (length === 0) throw new Error(`the actor ended before its answer to ${JSON.stringify(request)}`);
      text += chunk.toString('latin1', 0, length);
    }
    return JSON.parse(Buffer.from(text, 'latin1').toString()) as T;
  }
}

/** Makes a pipe whose ends are descriptors of this process; Node's own pipes cannot be read synchronously. */
function openPipe(path: string): { reader: number; writer: number } {
  const { status, stderr } = spawnSync('mkfifo', [path], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`mkfifo: ${stderr}`);
  // To open one end waits for the other, but not with both ends in one descriptor (fifo(7)).
  const both = openSync(path, 'r+');
  const [reader, writer] = [openSync(path, 'r'), openSync(path, 'w')];
  closeSync(both);
  rmSync(path);
  return { reader, writer };
}
