import { askDaemon } from '../control/daemon-client.js';
import type { StatusV1 } from '../control/status.js';
import { WanmarkError } from '../errors.js';
import { EventFeed } from './event-feed.js';
import { History } from './history.js';
import { RateMeter } from './rates.js';
import { Stream } from './stream.js';

/** How often the daemon is asked, and how soon after an event at the earliest. */
const LOOK_MS = 1000;
const SOON_MS = 100;

/**
 * Looks at the daemon for all pages together: however many are open, it is asked once a second. What it says is kept for the
 * plots, and told to the pages.
 */
export class Watch {
  readonly stream = new Stream();
  readonly history: History;
  readonly #socket: string;
  readonly #feed: EventFeed;
  readonly #meter = new RateMeter();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /**
   * @param socket the path of the daemon's socket
   * @param history what is known already
   */
  constructor(socket: string, history = new History()) {
    this.#socket = socket;
    this.history = history;
    this.#feed = new EventFeed(socket, (events) => {
      this.stream.tell('events', events);
      this.#lookSoon();
    });
  }

  begin(): void {
    void this.#look();
    this.#feed.begin();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#feed.stop();
    this.stream.close();
  }

  /** Shows what has just happened without the usual pause. */
  #lookSoon(): void {
    if (this.#timer === undefined || this.#stopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#look(), SOON_MS);
  }

  /** Counting connections costs the daemon something, so that is asked for only while a page is open. */
  async #look(): Promise<void> {
    this.#timer = undefined;
    const began = performance.now();
    let status: StatusV1 | undefined;
    let error = '';
    try {
      const path = this.stream.size > 0 ? '/v1/status' : '/v1/status?connections=no';
      status = (await askDaemon<StatusV1>(this.#socket, path)).answer;
    } catch (why) {
      if (!(why instanceof WanmarkError)) throw why;
      error = why.message;
    }
    if (this.#stopped) return;
    const rates = this.#meter.read(status);
    this.history.add(Date.now(), rates);
    this.stream.tell('status', { at: new Date().toISOString(), status: status ?? null, error });
    const restMs = Math.max(0, began + LOOK_MS - performance.now());
    this.#timer = setTimeout(() => void this.#look(), restMs);
  }
}
