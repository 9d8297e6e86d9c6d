import { WanmarkError } from '../errors.js';
import type { Plans } from '../queue/plans.js';
import type { ConnectionSource } from './connections.js';

/** Long enough for `watch wanmark status`, and for a monitor that reads the figures every 15 seconds. */
const IDLE_MS = 30_000;

/**
 * Counts connections only while somebody looks: from the first {@link fresh} until nobody has asked for 30 seconds. For
 * each connection, counting costs the kernel and the reading thread a tenth of a decision, which would be wasted with a
 * strategy that does not count.
 */
export class CountedOnDemand implements ConnectionSource {
  readonly #open: () => ConnectionSource;
  readonly #onRefused: (error: WanmarkError) => void;
  readonly #idleMs: number;
  #source: ConnectionSource | undefined;
  /** Whether the source's numbers are true. */
  #known = false;
  #kept = false;
  #planned: readonly [Pick<Plans, 'countIn'>, number] | undefined;
  #refused = false;
  #idle: NodeJS.Timeout | undefined;
  readonly #closed = new Set<Promise<void>>();

  /**
   * @param open begins to count; may throw a WanmarkError
   * @param onRefused told of the first such error
   */
  constructor(open: () => ConnectionSource, onRefused: (error: WanmarkError) => void, idleMs = IDLE_MS) {
    this.#open = open;
    this.#onRefused = onRefused;
    this.#idleMs = idleMs;
  }

  async fresh(): Promise<void> {
    const source = this.#begin();
    if (source === undefined) return;
    await source.fresh();
    if (this.#source !== source) return;
    this.#known = true;
    this.#restLater();
  }

  count(mark: number): number | undefined {
    return this.#known ? this.#source?.count(mark) : undefined;
  }

  decided(mark: number): void {
    this.#source?.decided(mark);
  }

  countPlanned(plans: Pick<Plans, 'countIn'>, shift: number): void {
    this.#planned = [plans, shift];
    this.#source?.countPlanned(plans, shift);
  }

  lookAround(): void {
    this.#source?.lookAround();
  }

  /** Counts for good from now on, for a strategy that asks for counts only in its `pick`. */
  keep(): void {
    if (this.#kept) return;
    this.#kept = true;
    void this.fresh();
  }

  async close(): Promise<void> {
    this.#rest();
    await Promise.all(this.#closed);
  }

  #begin(): ConnectionSource | undefined {
    try {
      if (this.#source === undefined) {
        this.#source = this.#open();
        if (this.#planned !== undefined) this.#source.countPlanned(...this.#planned);
      }
    } catch (error) {
      if (!(error instanceof WanmarkError)) throw error;
      if (!this.#refused) this.#onRefused(error);
      this.#refused = true;
    }
    this.#restLater();
    return this.#source;
  }

  #restLater(): void {
    clearTimeout(this.#idle);
    if (!this.#kept) this.#idle = setTimeout(() => this.#rest(), this.#idleMs).unref();
  }

  #rest(): void {
    clearTimeout(this.#idle);
    const [plans, shift] = this.#planned ?? [];
    if (this.#source !== undefined) plans?.countIn(undefined, shift!);
    const closed = this.#source?.close();
    this.#source = undefined;
    this.#known = false;
    if (closed === undefined) return;
    this.#closed.add(closed);
    void closed.then(() => this.#closed.delete(closed));
  }
}
