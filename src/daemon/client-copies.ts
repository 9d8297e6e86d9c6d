import { MOST_CLIENTS, type StickyTable } from '../core/stickiness.js';
import type { ClientSets, Placing } from '../system/client-sets.js';

/** How long changes are gathered. A daemon that is killed has lost no more than these. */
const GATHERED_MS = 50;
/** How many clients are written at once: some 5 ms, in which no packet is answered. */
const MOST_AT_ONCE = 250;
/** How many changes wait to be written at most, half of them clients that the table has forgotten: some 15 MB. */
const MOST_WAITING = 2 * MOST_CLIENTS;
/** After how long a kernel without the sets is asked again; `up` may have made them. */
const RETRY_MS = 5000;
/** A client that comes again within a tenth of its time is not written again. */
const LEEWAY = 1.1;

/**
 * The copy of a table of clients that the kernel keeps: its own choice goes by it while the daemon is away, and adds to it,
 * and the next daemon takes it up.
 */
export class ClientCopies {
  readonly #table: StickyTable;
  readonly #sets: Pick<ClientSets, 'read' | 'place'>;
  readonly #seconds: number;
  /** What has to be written, in the order in which it was changed. */
  readonly #changed = new Map<string, string | undefined>();
  #timer: NodeJS.Timeout | undefined;
  #isWritten = true;

  /** Takes up what the kernel has, and writes each change from then on. */
  constructor(table: StickyTable, sets: Pick<ClientSets, 'read' | 'place'>, forMs: number) {
    this.#table = table;
    this.#sets = sets;
    this.#seconds = Math.round((LEEWAY * forMs) / 1000);
    table.listener = (key, member) => {
      // What the table has is bounded; what it has forgotten leaves the kernel's sets by itself, in time.
      if (member === undefined && this.#changed.size >= MOST_WAITING) this.#changed.delete(key);
      else this.#changed.set(key, member);
      this.#later(GATHERED_MS);
    };
    table.restore(sets.read().map(({ key, member, seconds }) => ({ key, member, leftMs: 1000 * seconds })));
  }

  /** Whether the kernel took what was written last. */
  get isWritten(): boolean {
    return this.#isWritten;
  }

  /** Writes what is left. */
  stop(): void {
    this.#table.listener = undefined;
    clearTimeout(this.#timer);
    while (this.#changed.size > 0 && this.#write());
  }

  #later(ms: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (!this.#write()) this.#retry();
      else if (this.#changed.size > 0) this.#later(GATHERED_MS);
    }, ms).unref();
  }

  /** Everything is written once more when the sets are there again. */
  #retry(): void {
    for (const { key, member } of this.#table.all()) this.#changed.set(key, member);
    this.#later(RETRY_MS);
  }

  #write(): boolean {
    const some: Placing[] = [];
    for (const [key, member] of this.#changed) {
      if (some.length === MOST_AT_ONCE) break;
      some.push({ key, member });
      this.#changed.delete(key);
    }
    this.#isWritten = this.#sets.place(some, this.#seconds);
    return this.#isWritten;
  }
}
