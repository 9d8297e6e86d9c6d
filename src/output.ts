import fs from 'node:fs';

/** How long the next attempt waits while a pipe or terminal is full. */
const FULL_MS = 20;
/** How long it waits after another error, as on a disk without space. */
const FAILED_MS = 500;
/** Most bytes of one write. */
const WRITE_BYTES = 64 * 1024;
/** Why lines are dropped where no write fails. */
const SLOW = 'nobody reads them in time';

/** Lines that were dropped, and why the others could not be written meanwhile. */
export interface Dropped {
  readonly lines: number;
  readonly why: string;
}

/** How a stream of output is written. */
export interface OutputOptions {
  /** Most bytes that wait to be written; beyond, lines are dropped. */
  readonly maxBytes: number;
  /** Called when writing works again after lines were dropped. */
  readonly onRecovered: (dropped: Dropped) => void;
}

/**
 * Writes text to a descriptor, whatever its other end does. A reader that stands still, a terminal that is stopped and a
 * disk without space cost lines and never time: nothing here waits, and nothing throws.
 */
export class Output {
  readonly #fd: number;
  readonly #options: OutputOptions;
  #waiting: string[] = [];
  #waitingBytes = 0;
  /** What is being written; its beginning may be done already. */
  #current: Buffer = Buffer.alloc(0);
  #writing = false;
  #broken = false;
  #lost = 0;
  #why = SLOW;
  #dropped = 0;
  #onIdle: (() => void) | undefined;
  /** Runs out when nothing is taken at the end. */
  #patience: NodeJS.Timeout | undefined;

  constructor(fd: number, options: OutputOptions) {
    this.#fd = withoutBlocking(fd);
    this.#options = options;
  }

  /** How many lines were dropped in all. */
  get dropped(): number {
    return this.#dropped;
  }

  /** @param text whole lines, each with its newline */
  write(text: string): void {
    const bytes = Buffer.byteLength(text);
    if (this.#broken || this.#waitingBytes + bytes > this.#options.maxBytes) {
      const lines = text.split('\n').length - 1;
      this.#dropped += lines;
      this.#lost += lines;
      return;
    }
    this.#waiting.push(text);
    this.#waitingBytes += bytes;
    this.#pump();
  }

  /** Resolves when all is written, or when nothing was taken for `ms`; what is left is lost then. */
  async end(ms: number): Promise<void> {
    if (this.#writing && !this.#broken) {
      await new Promise<void>((resolve) => {
        this.#patience = setTimeout(resolve, ms);
        this.#onIdle = resolve;
      });
      clearTimeout(this.#patience);
      this.#patience = undefined;
    }
    this.#broken = true;
  }

  #pump(): void {
    if (this.#writing) return;
    if (this.#current.length === 0) this.#current = this.#take();
    if (this.#current.length === 0) {
      this.#idle();
      return;
    }
    this.#writing = true;
    fs.write(this.#fd, this.#current, 0, this.#current.length, null, (error, written) => {
      if (error === null) {
        this.#patience?.refresh();
        this.#waitingBytes -= written;
        this.#current = this.#current.subarray(written);
        this.#writing = false;
        this.#pump();
      } else this.#failed(error);
    });
  }

  #take(): Buffer {
    let length = 0;
    let count = 0;
    while (count < this.#waiting.length && length < WRITE_BYTES) length += this.#waiting[count++]!.length;
    return Buffer.from(this.#waiting.splice(0, count).join(''));
  }

  #idle(): void {
    this.#onIdle?.();
    if (this.#lost === 0 || this.#broken) return;
    const dropped = { lines: this.#lost, why: this.#why };
    this.#lost = 0;
    this.#why = SLOW;
    this.#options.onRecovered(dropped);
  }

  /** What is half written is kept, so that the stream of lines stays whole when writing works again. */
  #failed({ code, message }: NodeJS.ErrnoException): void {
    const isFull = code === 'EAGAIN';
    if (!isFull) this.#why = message;
    // Nobody will ever read again.
    if (code === 'EPIPE' || code === 'EBADF') this.#broken = true;
    if (this.#broken) {
      this.#waiting = [];
      this.#onIdle?.();
      return;
    }
    const again = () => {
      this.#writing = false;
      this.#pump();
    };
    const timer = setTimeout(again, isFull ? FULL_MS : FAILED_MS);
    // The process must not live on for lines that nobody takes.
    timer.unref();
  }
}

/**
 * A descriptor of the same pipe or terminal whose writes fail instead of waiting. It is opened anew, because O_NONBLOCK
 * on the given one would hold for all programs that share it. A write that waits would keep a thread, and with it the
 * process at its end (uv_library_shutdown joins the threads). The descriptor itself where that is not possible, as for a
 * socket, or not needed, as for a file.
 */
function withoutBlocking(fd: number): number {
  try {
    const kind = fs.fstatSync(fd);
    if (!kind.isFIFO() && !kind.isCharacterDevice()) return fd;
    return fs.openSync(`/proc/self/fd/${fd}`, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
  } catch {
    return fd;
  }
}
