import type { Clock } from '#wanmark/wan/clock.js';

interface Event {
  readonly at: number;
  readonly order: number;
  readonly settles: boolean;
  callback: (() => void) | undefined;
}

/** A clock for simulations with hundreds of thousands of events: a heap, and no pause after events that need none. */
export class EventClock implements Clock {
  readonly #heap: Event[] = [];
  #now = 0;
  #order = 0;

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const event = this.#add(this.#now + ms, callback, true);
    return () => {
      event.callback = undefined;
    };
  }

  /** Plans an event that sets off no promise. */
  plan(ms: number, callback: () => void): void {
    this.#add(this.#now + ms, callback, false);
  }

  /** Lets time pass until `end`, event by event; promises that a timer sets off run before the next event. */
  async passUntil(end: number): Promise<void> {
    for (let first = this.#heap[0]; first !== undefined && first.at <= end; first = this.#heap[0]) {
      this.#removeFirst();
      if (first.callback === undefined) continue;
      this.#now = Math.max(this.#now, first.at);
      first.callback();
      if (first.settles) await new Promise((resolve) => setImmediate(resolve));
    }
    this.#now = Math.max(this.#now, end);
    await new Promise((resolve) => setImmediate(resolve));
  }

  #add(at: number, callback: () => void, settles: boolean): Event {
    const event: Event = { at, order: this.#order++, settles, callback };
    const heap = this.#heap;
    let i = heap.push(event) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = event;
    return event;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
