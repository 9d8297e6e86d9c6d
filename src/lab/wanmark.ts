import { MAIN } from '../paths.js';
import type { Lab } from './lab.js';
import type { LabWan } from './network.js';
import type { Program } from './program.js';
import type { Output } from './sandbox.js';

const READY = '"msg":"started"';
/** Options that a lab's daemon gets unless its caller sets them. */
const DEFAULTS: Readonly<Record<string, string>> = {
  // On a stalled or emulated machine answers may be late, and then the kernel chooses, by weight but not exactly.
  '--deadline': '10000',
  // A WAN that comes back gets its share at once, so that no test waits for a minute.
  '--up-after': '0',
  '--slow-start': '0',
};

/** A decision, as a line of the mark log reports it. */
export interface Decision {
  readonly mark: number;
  readonly wan: string;
  readonly proto: string;
  readonly src: string;
  readonly sport: number;
  readonly dst: string;
  readonly dport: number;
}

/** One `--wan` argument for each WAN of the lab. */
export function wanArguments(wans: readonly LabWan[]): string[] {
  return wans.flatMap(({ name, dev, via, via6, weight, tier, nat }) => [
    '--wan',
    [
      name,
      `dev=${dev}`,
      `via=${via}`,
      ...(via6 ? [`via6=${via6}`] : []),
      `weight=${weight}`,
      `tier=${tier}`,
      `nat=${nat}`,
    ].join(','),
  ]);
}

/** The real `wanmark` on the lab's router, with the flags that describe the lab's WANs. */
export class Wanmark {
  readonly lab: Lab;
  readonly #wans: readonly LabWan[];
  readonly #main: string;

  /**
   * @param wans the WANs that the flags describe, where they should differ from the lab's
   * @param main the command line, where it should be another than the one that is shipped
   */
  constructor(lab: Lab, wans: readonly LabWan[] = lab.wans, main: string = MAIN) {
    this.lab = lab;
    this.#wans = wans;
    this.#main = main;
  }

  /** Runs a `wanmark` command until it ends, with no flags but those given. */
  command(args: readonly string[], okCodes: readonly number[] | 'any' = [0]): Promise<Output> {
    return this.lab.router.exec([process.execPath, this.#main, ...args], { okCodes });
  }

  up(...args: string[]): Promise<Output> {
    return this.command(['up', ...wanArguments(this.#wans), ...args]);
  }

  down(...args: string[]): Promise<Output> {
    return this.command(['down', ...wanArguments(this.#wans), ...args]);
  }

  /** Starts the daemon and waits until its queue is open. */
  async run(...args: string[]): Promise<Daemon> {
    const argv = [
      process.execPath,
      this.#main,
      'run',
      ...wanArguments(this.#wans),
      '--log-mark',
      ...Object.entries(DEFAULTS).flatMap((pair) => (args.includes(pair[0]) ? [] : pair)),
      ...args,
    ];
    const program = this.lab.router.spawn(argv);
    await program.waitForLine((line) => line.includes(READY));
    return new Daemon(program);
  }
}

/** A running `wanmark run`. */
export class Daemon {
  constructor(readonly program: Program) {}

  /** The decisions so far, in order. The list is complete only after `stop`, since lines may still be on their way. */
  get decisions(): Decision[] {
    return this.program.lines
      .filter((line) => line.includes('"msg":"mark"'))
      .map((line) => JSON.parse(line) as Decision);
  }

  /** Sends SIGTERM and waits for the end. @throws {SystemError} when the exit code is not 0 */
  async stop(): Promise<void> {
    await this.program.kill('SIGTERM');
    const { code, signal } = await this.program.exited;
    if (code !== 0) throw this.program.error(`ended with ${signal ?? `exit code ${code}`} after SIGTERM`);
  }

  /** Kills the daemon with SIGKILL, like a crash. */
  async crash(): Promise<void> {
    await this.program.kill('SIGKILL');
    await this.program.exited;
  }
}
