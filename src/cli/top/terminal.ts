import type { ReadStream, WriteStream } from 'node:tty';
import { wantsColours } from '../../core/colours.js';
import { type Line, lineText } from '../screen/line.js';
import type { Canvas } from './model.js';
import { hasUtf8 } from './sparkline.js';

/** Private modes of xterm: the alternate screen, and no cursor. */
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
/** To the top left; the rest of a line; the rest of the screen (ECMA-48). */
const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_REST = '\x1b[J';
/** While so much waits for a slow terminal, frames are left out. */
const MOST_WAITING_BYTES = 32 * 1024;
/** What a terminal has that does not say its size. */
const [COLUMNS, ROWS] = [80, 24];

export interface TerminalParts {
  readonly input: ReadStream;
  readonly output: WriteStream;
  readonly onKeys: (text: string) => void;
  readonly onResize: () => void;
}

/**
 * The whole screen of a terminal, from {@link enter} to {@link leave}. It is given back whatever ends the process, apart from
 * SIGKILL.
 */
export class Terminal {
  readonly #parts: TerminalParts;
  #isEntered = false;
  readonly #restore = () => this.leave();
  readonly #keys = (data: Buffer) => this.#parts.onKeys(data.toString('utf8'));
  readonly #resize = () => this.#parts.onResize();

  constructor(parts: TerminalParts) {
    this.#parts = parts;
  }

  get canvas(): Canvas {
    const { columns, rows } = this.#parts.output;
    return { columns: columns || COLUMNS, rows: rows || ROWS, utf8: hasUtf8(process.env) };
  }

  enter(): void {
    if (this.#isEntered) return;
    const { input, output } = this.#parts;
    this.#isEntered = true;
    process.on('exit', this.#restore);
    input.setRawMode(true);
    input.on('data', this.#keys).resume();
    output.on('resize', this.#resize);
    output.write(ENTER);
  }

  leave(): void {
    if (!this.#isEntered) return;
    const { input, output } = this.#parts;
    this.#isEntered = false;
    process.off('exit', this.#restore);
    output.off('resize', this.#resize);
    input.off('data', this.#keys).pause();
    try {
      input.setRawMode(false);
      output.write(LEAVE);
    } catch {
      // A terminal that is gone needs nothing.
    }
  }

  draw(lines: readonly Line[]): void {
    const { output } = this.#parts;
    if (!this.#isEntered || output.writableLength > MOST_WAITING_BYTES) return;
    const colours = wantsColours(true, process.env);
    const text = lines.map((line) => lineText(line, colours) + CLEAR_LINE).join('\r\n');
    output.write(HOME + text + CLEAR_REST);
  }
}
