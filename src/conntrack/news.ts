import { type Batch, COPY_BYTES } from '../core/batch.js';
import { checkInteger } from '../core/integer.js';
import { MarkField } from '../core/mark.js';
import { loadAddon } from '../native.js';
import { type ConntrackError, describeConntrackError } from './errors.js';
import type { Exclusion } from './exclusion.js';
import type { ConntrackAddon, NativeConntrackError, NativeNews } from './native.js';
import { probePorts } from './probe-ports.js';

/** What is told of new connections. */
export interface NewsOptions {
  /** The field of the mark; a connection without a bit in it is not told of. */
  readonly mask: number;
  /** Bytes of event buffer to ask for, up to 2^30. Default 8 MiB, which holds some 10,000 events. */
  readonly receiveBuffer?: number;
  /** Each loss doubles the buffer, as long as that asks for no more than this. Default 32 MiB. */
  readonly mostReceiveBuffer?: number;
  /** How long events gather before they are told, in milliseconds, 0..1000. Default 10. */
  readonly gatherMs?: number;
  /** What is not told of. Default nothing. */
  readonly exclusion?: Exclusion;
}

/**
 * Told of connections 0 up to `count` of a batch, in their order; `oldMark` has the marks that they began with. What
 * conntrack does not know of a packet is 0: devices, length, MAC address and bytes. The batch holds for the call only.
 */
export type NewsListener = (batch: Batch, count: number) => void;

const DEFAULTS = { receiveBuffer: 8 << 20, mostReceiveBuffer: 32 << 20, gatherMs: 10 } as const;
const CAPACITY = 1024;

/**
 * Tells of each connection that begins with a mark, no matter who chose it. Its first packet has passed all rules by
 * then: what a firewall drops is no connection, and is not told of.
 *
 * Listening costs: the kernel writes an event for every new connection of the machine, which takes 1 to 4 us of its first packet.
 * It does not keep the process alive.
 */
export class ConntrackNews {
  readonly #native: NativeNews;
  readonly #batch: Batch;
  readonly #onBegun: NewsListener;
  readonly #onLost: () => void;
  readonly #onEnd: (error: ConntrackError) => void;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /**
   * Begins to listen.
   * @param onLost told when there was more to tell than the buffer could hold, before what came behind it
   * @param onEnd told of the error after which nothing more is told
   * @throws ConntrackError when the system refuses; UsageError for the mask; RangeError for an option out of range
   */
  constructor(
    options: NewsOptions,
    onBegun: NewsListener,
    onLost: () => void,
    onEnd: (error: ConntrackError) => void,
  ) {
    const { mask, receiveBuffer, mostReceiveBuffer, gatherMs, exclusion } = { ...DEFAULTS, ...options };
    checkInteger('receiveBuffer', receiveBuffer, 1, 2 ** 30);
    checkInteger('mostReceiveBuffer', mostReceiveBuffer, 0, 2 ** 30);
    checkInteger('gatherMs', gatherMs, 0, 1000);
    this.#onBegun = onBegun;
    this.#onLost = onLost;
    this.#onEnd = onEnd;
    const field = new MarkField(mask);
    const addon = loadAddon<ConntrackAddon>();
    try {
      this.#native = new addon.ConntrackNews(
        {
          mask: field.mask,
          capacity: CAPACITY,
          receiveBuffer,
          mostReceiveBuffer,
          exclusion: exclusion && { ...exclusion, probePorts },
        },
        () => {
          this.#timer = setTimeout(() => this.#read(), gatherMs);
        },
      );
    } catch (error) {
      throw describeConntrackError('news', error as NativeConntrackError);
    }
    this.#batch = batchOf(this.#native);
  }

  /** Replaces what is not told of. @throws TypeError for a text that is not a network */
  exclude(exclusion: Exclusion): void {
    this.#native.exclude({ ...exclusion, probePorts });
  }

  /** Tells of what has come until now, without waiting for more to gather. */
  flush(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#read();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#native.close();
  }

  #read(): void {
    this.#timer = undefined;
    let found: ReturnType<NativeNews['read']>;
    try {
      found = this.#native.read();
    } catch (error) {
      this.close();
      this.#onEnd(describeConntrackError('news', error as NativeConntrackError));
      return;
    }
    if (found === undefined) return;
    if (found.lost) this.#onLost();
    if (found.count > 0) this.#onBegun(this.#batch, found.count);
    // What else waits on this thread has its turn in between.
    if (found.more && !this.#closed) this.#timer = setTimeout(() => this.#read(), 0);
  }
}

function batchOf({ family, proto, src, dst, sport, dport, mark }: NativeNews): Batch {
  return {
    capacity: CAPACITY,
    family,
    proto,
    flags: new Uint8Array(CAPACITY),
    src,
    dst,
    sport,
    dport,
    inIfindex: new Uint32Array(CAPACITY),
    outIfindex: new Uint32Array(CAPACITY),
    oldMark: mark,
    atMs: new Float64Array(CAPACITY),
    length: new Uint32Array(CAPACITY),
    mac: new Float64Array(CAPACITY),
    copied: new Uint8Array(CAPACITY),
    bytes: new Uint8Array(COPY_BYTES * CAPACITY),
    marks: new Uint32Array(CAPACITY),
  };
}
