import { closeSync, constants, fstatSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Event, EventSink, Happening } from '../core/event.js';
import { runDirectory } from './run-directory.js';

/** How many events are kept, and how many bytes; what is older goes first. */
const MOST_EVENTS = 1000;
const MOST_BYTES = 256 * 1024;
/** What something that stays broken repeats by itself. It takes no more than a part, so that the rest is still to be found. */
const REPEATED: ReadonlySet<unknown> = new Set<Event['kind']>(['rules', 'repaired', 'hook']);
const MOST_REPEATED = 200;
const MOST_REPEATED_BYTES = MOST_BYTES / 2;
/** The file may grow by this much beyond, since writing all of it anew each time would be a waste. */
const SLACK = 1.5;
/** A longer text in an event, such as what a check's server sent, is cut. */
const MOST_TEXT = 500;
/** The most lines of a list in an event. */
const MOST_LINES = 20;
const MODE = 0o640;
/** The journal's directory belongs to us; a file in it that is a link or a FIFO is somebody's mistake. */
const APPEND =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Told of each event after it was taken down. */
export type EventListener = (event: Event) => void;

/** Where the events are kept: a JSON object on each line. */
export function journalPath(): string {
  return join(runDirectory(), 'events.jsonl');
}

/**
 * The events of this network namespace, in a file in /run that outlives the daemon and no reboot. It is bounded in lines and
 * bytes. A file that cannot be written costs the events on it and nothing else: those of this process stay in memory.
 */
export class Journal implements EventSink {
  readonly #path: string;
  readonly #onFault: (error: unknown) => void;
  readonly #listeners = new Set<EventListener>();
  readonly #date: () => Date;
  #events: Event[];
  #next: number;
  #waiting: string[] = [];
  #writing: NodeJS.Immediate | undefined;
  #isBegun = false;

  /** @param onFault told when the file cannot be read or written */
  constructor(
    path: string,
    onFault: (error: unknown) => void = () => undefined,
    date: () => Date = () => new Date(),
  ) {
    this.#path = path;
    this.#onFault = onFault;
    this.#date = date;
    this.#events = [...this.#read()];
    this.#next = (this.#events.at(-1)?.number ?? 0) + 1;
  }

  note(happening: Happening): void {
    const event = { number: this.#next++, at: this.#date().toISOString(), ...bounded(happening) } as Event;
    this.#events.push(event);
    if (this.#events.length > SLACK * MOST_EVENTS) this.#events = newest(this.#events, kindOf, () => 0);
    this.#waiting.push(`${JSON.stringify(event)}\n`);
    if (this.#isBegun) this.#writing ??= setImmediate(() => this.flush());
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#onFault(error);
      }
    }
  }

  /** Writes what was noted so far and what comes. Not called by a daemon whose start fails, which is to leave nothing behind. */
  begin(): void {
    this.#isBegun = true;
    this.flush();
  }

  /** The events with a higher number, the oldest first. */
  after(number: number): readonly Event[] {
    return newest(this.#events, kindOf, () => 0).filter((event) => event.number > number);
  }

  /** @returns ends it */
  listen(listener: EventListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Writes what waits to be written. Never throws. */
  flush(): void {
    if (this.#writing !== undefined) clearImmediate(this.#writing);
    this.#writing = undefined;
    const lines = this.#waiting.splice(0);
    if (lines.length === 0) return;
    try {
      const size = append(this.#path, lines.join(''));
      if (size > SLACK * MOST_BYTES || this.#next % 100 === 0) this.#shorten();
    } catch (error) {
      this.#onFault(error);
    }
  }

  /** Keeps what is newest in the file. It is read again, since another daemon may write to it as well. */
  #shorten(): void {
    const lines = textOf(this.#path).split('\n').filter(Boolean);
    const kept = newest(
      lines,
      (line) => parseEvent(line)[0]?.kind,
      (line) => Buffer.byteLength(line) + 1,
    );
    if (kept.length === lines.length) return;
    const file = `${this.#path}.new`;
    rmSync(file, { force: true });
    write(openSync(file, CREATE, MODE), kept.map((line) => `${line}\n`).join(''));
    renameSync(file, this.#path);
  }

  #read(): readonly Event[] {
    try {
      return readJournal(this.#path);
    } catch (error) {
      this.#onFault(error);
      return [];
    }
  }
}

/**
 * The events in a file, the oldest first; none where there is no file. What is no event is left out: half a line of a daemon that was
 * killed, for example.
 * @throws Error with `code` where it cannot be read
 */
export function readJournal(path: string): readonly Event[] {
  const events = textOf(path).split('\n').flatMap(parseEvent);
  return newest(events, kindOf, () => 0);
}

function kindOf({ kind }: Event): string {
  return kind;
}

/** The newest items within the bounds, in their order. */
function newest<Item>(
  items: readonly Item[],
  kind: (item: Item) => string | undefined,
  bytes: (item: Item) => number,
): Item[] {
  const kept: Item[] = [];
  const repeated = { items: 0, bytes: 0 };
  let sum = 0;
  for (const item of items.toReversed()) {
    const length = bytes(item);
    if (REPEATED.has(kind(item))) {
      repeated.items++;
      repeated.bytes += length;
      if (repeated.items > MOST_REPEATED || repeated.bytes > MOST_REPEATED_BYTES) continue;
    }
    sum += length;
    if (kept.length === MOST_EVENTS || sum > MOST_BYTES) break;
    kept.push(item);
  }
  return kept.reverse();
}

function parseEvent(line: string): Event[] {
  try {
    const event = JSON.parse(line) as Partial<Event> | null;
    const isEvent =
      typeof event?.kind === 'string' &&
      Number.isSafeInteger(event.number) &&
      typeof event.at === 'string' &&
      !Number.isNaN(Date.parse(event.at));
    return isEvent ? [event as Event] : [];
  } catch {
    return [];
  }
}

/** The end of the file, where it is longer than ours ever are. */
function textOf(path: string): string {
  let fd: number;
  try {
    fd = openSync(path, READ);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
  try {
    needFile(fd, path);
    const { size } = fstatSync(fd);
    const bytes = Buffer.alloc(Math.min(size, 2 * SLACK * MOST_BYTES));
    const read = readSync(fd, bytes, 0, bytes.length, size - bytes.length);
    return bytes.subarray(0, read).toString('utf8');
  } finally {
    closeSync(fd);
  }
}

/** @returns the size of the file then */
function append(path: string, text: string): number {
  const fd = openSync(path, APPEND, MODE);
  try {
    needFile(fd, path);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return write(fd, text);
}

function write(fd: number, text: string): number {
  try {
    writeSync(fd, text);
    return fstatSync(fd).size;
  } finally {
    closeSync(fd);
  }
}

function needFile(fd: number, path: string): void {
  if (!fstatSync(fd).isFile()) throw new Error(`${path} is not a regular file; move it away`);
}

/** Texts and lists of a happening, cut to a bearable length. */
function bounded(happening: Happening): Happening {
  const cut = (value: unknown): unknown => {
    if (typeof value === 'string' && value.length > MOST_TEXT) return `${value.slice(0, MOST_TEXT)}...`;
    return Array.isArray(value) ? value.slice(0, MOST_LINES).map(cut) : value;
  };
  return Object.fromEntries(Object.entries(happening).map(([key, value]) => [key, cut(value)])) as Happening;
}
