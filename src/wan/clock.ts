/** Time as a parameter, so that tests can make it pass. */
export interface Clock {
  /** Milliseconds, never going back. */
  now(): number;
  /** Calls back once after `ms`, 0 or more. The returned function cancels the call and may be called again. */
  after(ms: number, callback: () => void): () => void;
}

/** The clock and the timers of this process. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};
