import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { json } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { Status } from '#wanmark/control/status.js';
import type { Lab } from '#wanmark/lab/lab.js';
import { childrenOf, type Program } from '#wanmark/lab/program.js';
import { wanArguments } from '#wanmark/lab/wanmark.js';

export const MAIN = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const POLL_MS = 50;
const START_MS = 60_000;

/** `wanmark run` as on a router: without the log of marks that the lab's own daemon always writes. */
export class BenchDaemon {
  readonly program: Program;
  readonly pid: number;
  readonly #socket: string;

  private constructor(program: Program, pid: number, socket: string) {
    this.program = program;
    this.pid = pid;
    this.#socket = socket;
  }

  static async start(lab: Lab, socket: string, ...args: string[]): Promise<BenchDaemon> {
    const argv = [process.execPath, MAIN, 'run', ...wanArguments(lab.wans), '--socket', socket, ...args];
    const program = lab.router.spawn(argv);
    await program.waitForLine(/"msg":"started"/);
    return BenchDaemon.#of(program, socket);
  }

  /** Like {@link BenchDaemon.start}, but the log goes to a file. */
  static async startLogging(lab: Lab, socket: string, log: string, ...args: string[]): Promise<BenchDaemon> {
    writeFileSync(log, '');
    const argv = [process.execPath, MAIN, 'run', ...wanArguments(lab.wans), '--socket', socket, ...args];
    const program = lab.router.spawn(['sh', '-c', 'exec >"$0" && exec "$@"', log, ...argv]);
    const started = () => readFileSync(log, 'utf8').includes('"msg":"started"');
    for (const end = performance.now() + START_MS; !started(); ) {
      if (!program.running || performance.now() > end) throw program.error('did not start');
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    return BenchDaemon.#of(program, socket);
  }

  static #of(program: Program, socket: string): BenchDaemon {
    const [pid] = childrenOf(program.pid);
    if (pid === undefined) throw program.error('ended at once');
    return new BenchDaemon(program, pid, socket);
  }

  async stop(): Promise<void> {
    await this.program.kill('SIGTERM');
    await this.program.exited;
  }

  /** @param connections whether to ask for live connections, which makes the daemon count them for a while */
  status(connections = true): Promise<Status> {
    const path = connections ? '/status' : '/status?connections=no';
    return new Promise((resolve, reject) => {
      request({ socketPath: this.#socket, path, agent: false }, (response) => {
        json(response).then((status) => resolve(status as Status), reject);
      })
        .on('error', reject)
        .end();
    });
  }

  /** Asks for the status until `holds` is true of it. @throws {Error} after `timeoutMs` */
  async until(holds: (status: Status) => boolean, what: string, timeoutMs = 300_000): Promise<Status> {
    const end = performance.now() + timeoutMs;
    for (;;) {
      const status = await this.status();
      if (holds(status)) return status;
      if (performance.now() > end) throw new Error(`after ${timeoutMs / 1000} s not yet: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

/** Live connections of all WANs together. */
export function live(status: Status): number {
  return status.wans.reduce((sum, { connections }) => sum + (connections ?? 0), 0);
}
