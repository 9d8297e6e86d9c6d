import { packagePath } from '../paths.js';
import type { Reply, Request } from './agent/protocol.js';
import type { Program } from './program.js';

const MAIN = packagePath('dist/lab/agent/main.js');

/** The lab's end of the connection to a host's traffic program. */
export class Agent {
  readonly #program: Program;
  readonly #progress = new Map<number, (done: number) => void>();
  readonly #results = new Map<
    number,
    { resolve: (value: unknown) => void; reject: (error: Error) => void }
  >();
  #read = 0;
  #lastId = 0;

  /** @param spawn runs an argv on the host */
  constructor(spawn: (argv: readonly string[]) => Program) {
    this.#program = spawn([process.execPath, MAIN]);
    this.#program.onOutput(() => this.#receive());
    this.#program.exited.then(() => {
      for (const { reject } of this.#results.values()) reject(this.#program.error('ended'));
      this.#results.clear();
    });
  }

  /** Sends a request and waits for its result. */
  request<T>(request: Request, progress: (done: number) => void = () => {}): Promise<T> {
    const id = ++this.#lastId;
    return new Promise<T>((resolve, reject) => {
      if (!this.#program.running) return reject(this.#program.error('has ended'));
      this.#results.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#progress.set(id, progress);
      this.#program.write(`${JSON.stringify({ id, request })}\n`);
    });
  }

  #receive(): void {
    const { lines } = this.#program;
    while (this.#read < lines.length) {
      const reply = JSON.parse(lines[this.#read++]!) as Reply;
      if ('done' in reply) {
        this.#progress.get(reply.id)?.(reply.done);
        continue;
      }
      const waiting = this.#results.get(reply.id);
      this.#results.delete(reply.id);
      this.#progress.delete(reply.id);
      if ('error' in reply) waiting?.reject(this.#program.error(reply.error));
      else waiting?.resolve(reply.result);
    }
  }
}
