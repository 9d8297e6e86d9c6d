import { request } from 'node:http';
import { type Event, withLater } from '../core/event.js';

/** How many of the last events a page is shown. */
const MOST = 50;
/** When to follow again after the daemon has gone. */
const AGAIN_MS = 1000;
/** The daemon sends something every 15 s; one that sends nothing for this long is gone. */
const SILENT_MS = 40_000;

/** Follows the events of the daemon for as long as this process runs, and over the daemon's restarts. */
export class EventFeed {
  readonly #socket: string;
  readonly #onEvents: (events: readonly Event[]) => void;
  #events: readonly Event[] = [];
  #end: () => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /**
   * @param socket the path of the daemon's socket
   * @param onEvents told of the last events, the oldest first, after each
   */
  constructor(socket: string, onEvents: (events: readonly Event[]) => void) {
    this.#socket = socket;
    this.#onEvents = onEvents;
  }

  begin(): void {
    const after = this.#events.at(-1)?.number ?? 0;
    const call = request({ socketPath: this.#socket, path: `/v1/events?after=${after}`, timeout: SILENT_MS });
    this.#end = () => call.destroy();
    call.on('timeout', () => call.destroy());
    call.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (more: string) => {
        const lines = `${text}${more}`.split('\n');
        text = lines.pop()!;
        for (const line of lines) this.#hear(line);
      });
      // A daemon that ends in the middle is followed again as one that ends in order.
      response.on('error', () => undefined);
    });
    call.on('error', () => undefined);
    call.on('close', () => {
      if (!this.#stopped) this.#timer = setTimeout(() => this.begin(), AGAIN_MS);
    });
    call.end();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#end();
  }

  #hear(line: string): void {
    const event = line.startsWith('data: ') ? (JSON.parse(line.slice(6)) as Event) : undefined;
    // What was dropped has no number.
    if (event?.number === undefined) return;
    this.#events = withLater(this.#events, [event], MOST);
    this.#onEvents(this.#events);
  }
}
