import type { ServerResponse } from 'node:http';

/** Most pages that are told at a time. */
const MOST = 32;
/** What may wait for a page to take it; one that is slower is ended, and comes back by itself. */
const MOST_WAITING_BYTES = 1 << 20;
/** After this time a stream ends and comes back, so that one whose session is over does not go on. */
const LASTS_MS = 3_600_000;

/** The pages that hear what is new, as server-sent events. */
export class Stream {
  readonly #pages = new Set<ServerResponse>();
  readonly #last = new Map<string, string>();

  /** How many pages are open. */
  get size(): number {
    return this.#pages.size;
  }

  /** Begins to tell a page. @returns false where there are too many */
  join(response: ServerResponse): boolean {
    if (this.#pages.size >= MOST) return false;
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    const end = setTimeout(() => response.end(), LASTS_MS).unref();
    this.#pages.add(response);
    response.once('close', () => {
      clearTimeout(end);
      this.#pages.delete(response);
    });
    response.write(['retry: 1000\n\n', ...this.#last.values()].join(''));
    return true;
  }

  /** Tells all pages; one that comes later gets the last of each kind first. */
  tell(event: string, data: object): void {
    const text = `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
    this.#last.set(event, text);
    for (const page of this.#pages) {
      if (page.writableLength > MOST_WAITING_BYTES) page.destroy();
      else page.write(text);
    }
  }

  /** Ends all streams. */
  close(): void {
    for (const page of this.#pages) page.end();
  }
}
