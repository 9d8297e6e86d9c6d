import { fileURLToPath } from 'node:url';
import type { Lab } from './lab.js';
import type { LabWan } from './network.js';
import type { Program } from './program.js';
import type { Output } from './sandbox.js';

const MAIN = fileURLToPath(new URL('../cli/main.js', import.meta.url));
const READY = '"msg":"started"';
/** What a daemon of a lab has unless it is told otherwise. */
const DEFAULTS: Readonly<Record<string, string>> = {
  // On a stalled or emulated machine an answer may come late, and then the kernel chooses: right, but not exact.
  '--deadline': '10000',
  // A WAN that comes back has its share at once: nobody here waits for a minute.
  '--up-after': '0',
  '--slow-start': '0',
};

/** A line of the mark log. */
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
  readonly #lab: Lab;
  readonly #wans: readonly LabWan[];

  /** @param wans what it is told of the WANs, for example another gateway */
  constructor(lab: Lab, wans: readonly LabWan[] = lab.wans) {
    this.#lab = lab;
    this.#wans = wans;
  }

  /** Runs a command to its end, without any flag but those given. */
  command(args: readonly string[], okCodes: readonly number[] | 'any' = [0]): Promise<Output> {
    return this.#lab.router.exec([process.execPath, MAIN, ...args], { okCodes });
  }

  up(...args: string[]): Promise<Output> {
    return this.command(['up', ...wanArguments(this.#wans), ...args]);
  }

  down(...args: string[]): Promise<Output> {
    return this.command(['down', ...wanArguments(this.#wans), ...args]);
  }

  /** Starts the daemon and waits until it has its queue. */
  async run(...args: string[]): Promise<Daemon> {
    const argv = [
      process.execPath,
      MAIN,
      'run',
      ...wanArguments(this.#wans),
      '--log-mark',
      ...Object.entries(DEFAULTS).flatMap((pair) => (args.includes(pair[0]) ? [] : pair)),
      ...args,
    ];
    const program = this.#lab.router.spawn(argv);
    await program.waitForLine((line) => line.includes(READY));
    return new Daemon(program);
  }
}

/** A running `wanmark run`. */
export class Daemon {
  constructor(readonly program: Program) {}

  /** What it decided so far, in order. Lines may still be on their way: complete after `stop`. */
  get decisions(): Decision[] {
    return this.program.lines
      .filter((line) => line.includes('"msg":"mark"'))
      .map((line) => JSON.parse(line) as Decision);
  }

  /** SIGTERM, and waits for its end. @throws {SystemError} when it does not exit with 0 */
  async stop(): Promise<void> {
    await this.program.kill('SIGTERM');
    const { code, signal } = await this.program.exited;
    if (code !== 0) throw this.program.error(`ended with ${signal ?? `exit code ${code}`} after SIGTERM`);
  }

  /** Kills it as a crash would. */
  async crash(): Promise<void> {
    await this.program.kill('SIGKILL');
    await this.program.exited;
  }
}
