import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Event } from '../core/event.js';
import { printableJson } from '../core/printable.js';

/** The readers that may follow the events at the same time. */
const MOST_READERS = 64;
/** How much may wait for one reader; what does not fit is dropped and counted. */
const MOST_WAITING_BYTES = 64 * 1024;
/** How many past events a reader gets. */
const MOST_PAST = 200;
/** How many readers are written to in one turn, some 10 us each: decisions are made between the turns. */
const AT_ONCE = 8;
/** How often a line is sent where nothing happens, so that a reader that is gone shows. */
const ALIVE_MS = 15_000;
/** A reader that takes nothing for so long is sent away. */
const PATIENCE_MS = 60_000;

/** Where the events come from. */
export interface EventFeed {
  /** The events with a higher number, the oldest first. */
  after(number: number): readonly Event[];
  /** @returns ends it */
  listen(listener: (event: Event) => void): () => void;
}

interface Reader {
  readonly response: ServerResponse;
  /** Texts that were not handed to the socket yet. */
  waiting: string[];
  waitingBytes: number;
  /** How many events did not fit since the last one that did. */
  dropped: number;
  /** When the socket took something last, in milliseconds of a clock that never goes back. */
  tookAt: number;
}

/**
 * Sends events to any number of readers as server-sent events. No reader is waited for: what one does not take is dropped, and it is
 * told how many that were. The work of an event is spread over several turns of the event loop.
 */
export class EventStreams {
  readonly #feed: EventFeed;
  readonly #readers = new Set<Reader>();
  #stopListening: (() => void) | undefined;
  #alive: NodeJS.Timeout | undefined;
  /** The readers that something waits for. */
  readonly #due = new Set<Reader>();
  #pumping: NodeJS.Immediate | undefined;

  constructor(feed: EventFeed) {
    this.#feed = feed;
  }

  /**
   * The events that a reader may have missed, the last 200 of them. One that knows a later event than the last has read a
   * journal that was lost, and has missed all of this one.
   */
  past(after: number): readonly Event[] {
    const all = this.#feed.after(0);
    const isLost = after > (all.at(-1)?.number ?? 0);
    return (isLost ? all : this.#feed.after(after)).slice(-MOST_PAST);
  }

  /**
   * Sends the events behind `after`, and all that follow, until the reader leaves.
   * @param after the number of the last event that the reader has; undefined: none of the past
   * @returns false where there are too many readers, and then nothing was sent
   */
  open(request: IncomingMessage, response: ServerResponse, after: number | undefined): boolean {
    if (this.#readers.size >= MOST_READERS) return false;
    const reader: Reader = { response, waiting: [], waitingBytes: 0, dropped: 0, tookAt: performance.now() };
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.on('drain', () => {
      reader.tookAt = performance.now();
      this.#soon(reader);
    });
    request.socket.once('close', () => this.#leave(reader));
    this.#readers.add(reader);
    this.#begin();
    this.#give(reader, ': wanmark events\n\n');
    if (after !== undefined) for (const event of this.past(after)) this.#give(reader, textOf(event));
    return true;
  }

  /** Ends all streams. */
  close(): void {
    for (const reader of [...this.#readers]) {
      reader.response.end();
      this.#leave(reader);
    }
  }

  #begin(): void {
    if (this.#stopListening !== undefined) return;
    this.#stopListening = this.#feed.listen((event) => {
      const text = textOf(event);
      for (const reader of this.#readers) this.#give(reader, text);
    });
    this.#alive = setInterval(() => this.#keepAlive(), ALIVE_MS).unref();
  }

  #leave(reader: Reader): void {
    this.#readers.delete(reader);
    this.#due.delete(reader);
    if (this.#readers.size > 0) return;
    this.#stopListening?.();
    this.#stopListening = undefined;
    clearInterval(this.#alive);
    clearImmediate(this.#pumping);
    this.#pumping = undefined;
  }

  #keepAlive(): void {
    for (const reader of [...this.#readers]) {
      if (reader.response.writableNeedDrain && performance.now() - reader.tookAt > PATIENCE_MS) {
        reader.response.destroy();
        this.#leave(reader);
      } else this.#give(reader, ':\n\n', true);
    }
  }

  /** @param isIdle whether the text may be left out without a word */
  #give(reader: Reader, text: string, isIdle = false): void {
    const bytes = Buffer.byteLength(text);
    if (reader.waitingBytes + reader.response.writableLength + bytes > MOST_WAITING_BYTES) {
      if (!isIdle) reader.dropped++;
      return;
    }
    if (reader.dropped > 0) {
      const said = `event: dropped\ndata: {"events":${reader.dropped}}\n\n`;
      reader.dropped = 0;
      reader.waiting.push(said);
      reader.waitingBytes += said.length;
    }
    reader.waiting.push(text);
    reader.waitingBytes += bytes;
    this.#soon(reader);
  }

  #soon(reader: Reader): void {
    if (reader.waiting.length === 0) return;
    this.#due.add(reader);
    this.#pumping ??= setImmediate(() => this.#pump());
  }

  /** Writes to a few readers, and to the others in the next turns. */
  #pump(): void {
    this.#pumping = undefined;
    let written = 0;
    for (const reader of this.#due) {
      if (written++ === AT_ONCE) {
        this.#pumping = setImmediate(() => this.#pump());
        return;
      }
      this.#due.delete(reader);
      // One that is behind takes more when it has taken what it has.
      if (reader.response.writableNeedDrain) continue;
      const text = reader.waiting.join('');
      reader.waiting = [];
      reader.waitingBytes = 0;
      if (reader.response.write(text)) reader.tookAt = performance.now();
    }
  }
}

const texts = new WeakMap<Event, string>();

/** An event in the form of the stream; made once for all readers. */
function textOf(event: Event): string {
  let text = texts.get(event);
  if (text === undefined) {
    text = `id: ${event.number}\ndata: ${printableJson(JSON.stringify(event))}\n\n`;
    texts.set(event, text);
  }
  return text;
}
