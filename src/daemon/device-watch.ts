import type { Logger } from 'pino';
import { isExhausted } from '../system/exhausted.js';
import { type Links, readLinks } from '../system/links.js';
import { MAIN_TABLE, News, type NewsItem } from '../system/news.js';
import { RememberedWays } from '../system/remembered-ways.js';
import type { Clock } from '../wan/clock.js';
import { IdlePace } from './idle-pace.js';
import { Isolation } from './isolation.js';

/** How often to look, in case a change is not told. A look takes a millisecond, for which packets wait. */
const LOOK_MS = 2000;
/** How often to look once no news come any more. */
const ALONE_LOOK_MS = 500;
/** The pause after a look, as a multiple of its duration: with constant changes, looking takes a fifth of the time. */
const PAUSE_FACTOR = 4;
/** The same for a look that nothing asked for: with many routes or devices, one takes a tenth of a second. */
const IDLE_PAUSE_FACTOR = 200;

export interface DeviceWatchParts {
  readonly logger: Logger;
  readonly clock: Clock;
  /** The names of the devices that matter; read anew at each piece of news. */
  readonly devices: () => ReadonlySet<string>;
  /** Gets what was seen at each look. */
  readonly onLook: (links: Links) => void;
  /** Looks; at the machine by default. */
  readonly read?: (() => Links) | undefined;
}

/** Looks at the machine's devices, addresses and default routes: when the kernel tells news of them, and now and then. */
export class DeviceWatch {
  readonly #parts: DeviceWatchParts;
  readonly #isolation: Isolation;
  readonly #idle = new IdlePace(IDLE_PAUSE_FACTOR);
  #news: News | undefined;
  /** Undefined while not all news are heard. */
  #ways: RememberedWays | undefined;
  #timer: NodeJS.Timeout | undefined;
  #nextLook: NodeJS.Timeout | undefined;
  #notBefore = 0;

  constructor(parts: DeviceWatchParts) {
    this.#parts = parts;
    this.#isolation = new Isolation(parts.logger, () => parts.clock.now());
  }

  /** What is there at the moment; nobody else is told. */
  read(): Links {
    return this.#parts.read?.() ?? readLinks(this.#ways && ((family) => this.#ways!.ways(family)));
  }

  /** Looks at once, and from time to time from now on. */
  begin(): void {
    this.look();
    this.#lookEvery(LOOK_MS);
  }

  /** Hears of changes at once from now on. */
  hear(): void {
    const { clock, logger, devices } = this.#parts;
    this.#ways = new RememberedWays(() => clock.now());
    this.#news = new News(
      ['link', 'address', 'route', 'nexthop'],
      (items) => {
        this.#ways?.hear(items);
        const ours = devices();
        if (items.some((item) => concerns(item, ours))) this.#lookSoon();
      },
      () => {
        this.#ways = undefined;
        logger.warn('the kernel tells no news; a lost carrier is noticed up to half a second later');
        this.#lookEvery(ALONE_LOOK_MS);
      },
    );
    // Finds what has changed since the first look.
    this.#lookSoon();
  }

  /** Looks at once. */
  look(): void {
    const { clock, onLook } = this.#parts;
    clearTimeout(this.#nextLook);
    this.#nextLook = undefined;
    const start = clock.now();
    try {
      onLook(this.read());
    } catch (error) {
      if (!isExhausted(error)) throw error;
      // What was seen last holds until the devices can be looked at again.
      this.#isolation.report(error);
    }
    const end = clock.now();
    this.#notBefore = end + PAUSE_FACTOR * (end - start);
    this.#idle.looked(end - start);
  }

  stop(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#nextLook);
    this.#news?.stop();
  }

  /** Looks at once, unless routes change all the time. */
  #lookSoon(): void {
    const waitMs = this.#notBefore - this.#parts.clock.now();
    if (waitMs <= 0) this.look();
    else this.#nextLook ??= setTimeout(() => this.look(), waitMs);
  }

  #lookEvery(ms: number): void {
    clearInterval(this.#timer);
    this.#timer = setInterval(() => {
      if (this.#idle.isDue(ms)) this.look();
    }, ms);
    this.#timer.unref();
  }
}

/** Whether a change may concern a WAN: its device, an address of it, or a way to a gateway. */
export function concerns(item: NewsItem, devices: ReadonlySet<string>): boolean {
  const isOurs = (device: string) => device === '' || devices.has(device);
  if (item.kind === 'link' || item.kind === 'address') return isOurs(item.device);
  // Where routes are made of them they change all day, and the next look sees what they did to a default route.
  if (item.kind === 'nexthop') return false;
  if (item.kind !== 'route') return true;
  // A network of another device, as a container's, comes and goes with it, and is no way to a gateway of ours.
  return item.table === MAIN_TABLE && (item.dst === 'default' || item.direct.some(isOurs));
}
