import type { Socket } from 'node:net';

/**
 * How many may be there at a time: as many as may follow the events, since all of them come back at once when a daemon is
 * restarted. Requests take a fraction of a millisecond each of the thread that decides what was not decided beforehand.
 */
const MOST = 64;
/** The time for a whole request, however it trickles in. */
const ASKING_MS = 2000;
/** The time for reading the answer, of which the kernel's buffer takes most. */
const READING_MS = 2000;

interface Visit {
  /** Whether the client is waited for, to ask or to read. */
  isWaitedFor: boolean;
  timer: NodeJS.Timeout;
}

/**
 * The clients of the control socket. Each has a time for its request, one for the answer to be made, and one to read it, all
 * absolute: a client that sends or reads a byte a second is as slow as one that does nothing. When there are too many, the
 * oldest that is waited for has to go, so that they do not keep others out.
 */
export class Visitors {
  readonly #visits = new Map<Socket, Visit>();

  came(socket: Socket): void {
    if (this.#visits.size >= MOST) {
      const [slowest] = [...this.#visits].find(([, { isWaitedFor }]) => isWaitedFor) ?? [socket];
      slowest.destroy();
      this.#visits.delete(slowest);
      if (slowest === socket) return;
    }
    this.#visits.set(socket, { isWaitedFor: true, timer: endAfter(socket, ASKING_MS) });
    socket.once('close', () => {
      clearTimeout(this.#visits.get(socket)?.timer);
      this.#visits.delete(socket);
    });
  }

  /** To be called when a request is complete. @param ms how long its answer may take */
  asked(socket: Socket, ms: number): void {
    this.#next(socket, ms, false);
  }

  /** To be called when an answer is written. */
  answered(socket: Socket): void {
    this.#next(socket, READING_MS, true);
  }

  /** To be called when the answer is a stream: whoever writes it bounds it, and it keeps nobody else out. */
  follows(socket: Socket): void {
    clearTimeout(this.#visits.get(socket)?.timer);
    this.#visits.delete(socket);
  }

  #next(socket: Socket, ms: number, isWaitedFor: boolean): void {
    const visit = this.#visits.get(socket);
    if (visit === undefined) return;
    clearTimeout(visit.timer);
    visit.isWaitedFor = isWaitedFor;
    visit.timer = endAfter(socket, ms);
  }
}

function endAfter(socket: Socket, ms: number): NodeJS.Timeout {
  return setTimeout(() => socket.destroy(), ms).unref();
}
