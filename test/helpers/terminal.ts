import { fileURLToPath } from 'node:url';
import { Program } from '#wanmark/lab/program.js';

const PTY = fileURLToPath(new URL('../../test/helpers/terminal.py', import.meta.url));

interface Said {
  readonly shown?: string;
  readonly raw?: boolean;
  readonly code?: number;
}

/** A program on a terminal of its own; needs python3. */
export class TestTerminal {
  readonly #program: Program;

  /** @param env variables of the program beside those of the host */
  constructor(
    argv: readonly string[],
    {
      columns = 80,
      rows = 24,
      env = {},
    }: { columns?: number; rows?: number; env?: Record<string, string> } = {},
  ) {
    const variables = Object.entries({ TERM: 'xterm', LC_ALL: 'C.UTF-8', ...env }).map(
      ([key, value]) => `${key}=${value}`,
    );
    this.#program = new Program([
      'python3',
      PTY,
      String(columns),
      String(rows),
      'env',
      ...variables,
      ...argv,
    ]);
  }

  send(text: string): void {
    this.#command({ send: text });
  }

  resize(columns: number, rows: number): void {
    this.#command({ size: [columns, rows] });
  }

  signal(number: number): void {
    this.#command({ signal: number });
  }

  /** All that the program wrote. */
  get output(): string {
    return this.#said.map(({ shown = '' }) => shown).join('');
  }

  /**
   * The lines of the last whole frame: what is between the last two returns to the top left. Node leaves ONLCR on, so a line may end in
   * two carriage returns.
   */
  get frame(): string[] {
    const frames = this.output.split('\x1b[H');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what a terminal obeys
    return (frames.at(-2) ?? '').replaceAll(/\x1b\[[0-9;?]*[A-Za-z]/g, '').split(/\r+\n/);
  }

  /** Waits until a frame is as it should be. */
  until(is: (frame: readonly string[]) => boolean, what: string): Promise<boolean> {
    return this.#program.until(() => is(this.frame) || undefined, what);
  }

  /** Waits for its end. @returns its exit code, and whether it left the terminal raw */
  async end(): Promise<{ readonly code: number; readonly raw: boolean }> {
    await this.#program.until(
      () => this.#said.some(({ code }) => code !== undefined) || undefined,
      'the end of it',
    );
    const code = this.#said.find((one) => one.code !== undefined)!.code!;
    return { code, raw: this.#said.findLast(({ raw }) => raw !== undefined)?.raw ?? false };
  }

  get #said(): Said[] {
    return this.#program.lines.map((line) => JSON.parse(line) as Said);
  }

  #command(command: object): void {
    this.#program.write(`${JSON.stringify(command)}\n`);
  }
}
