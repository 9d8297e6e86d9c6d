import type { Flow } from '#wanmark/core/flow.js';
import { flow } from '../../flows.js';
import type { EventClock } from './event-clock.js';
import { SYNS_MS } from './internet.js';
import type { Router } from './router.js';

export interface Connect {
  readonly src: string;
  readonly dst: string;
  readonly dport?: number;
}

/** How a connect ended. */
export interface Connected {
  readonly at: number;
  /** Milliseconds until it was answered; undefined when it failed. */
  readonly ms: number | undefined;
  /** The WAN that it had in the end. */
  readonly wan: string | undefined;
}

export interface LoadOptions {
  /** The n-th connect. */
  readonly connect: (n: number) => Connect;
  readonly perSecond: number;
  /** When it begins and ends, in seconds. */
  readonly from?: number;
  readonly until: number;
  /** How long clients wait; default 5000. */
  readonly timeoutMs?: number;
  /** When they send their SYNs. */
  readonly synsMs?: readonly number[];
}

let port = 1024;

/** Opens a connection once. @param onEnd called when it is answered, or given up */
export function connectOnce(
  clock: EventClock,
  router: Router,
  { src, dst, dport = 443 }: Connect,
  { timeoutMs = 5000, synsMs = SYNS_MS as readonly number[] },
  onEnd: (connected: Connected) => void,
  onCut?: () => void,
): void {
  const at = clock.now();
  port = port === 65_535 ? 1024 : port + 1;
  const one: Flow = flow({ src, dst, dport, sport: port });
  let isOver = false;
  const end = (ms: number | undefined) => {
    if (isOver) return;
    isOver = true;
    onEnd({ at, ms, wan: router.wanOf(one) });
    if (onCut === undefined) router.close(one);
  };
  const answered = () => end(clock.now() - at);
  const send = () => {
    if (!isOver) router.syn(one, answered, onCut ?? (() => {}));
  };
  for (const ms of synsMs.filter((sent) => sent < timeoutMs)) {
    if (ms === 0) send();
    else clock.plan(ms, send);
  }
  clock.plan(timeoutMs, () => end(undefined));
}

/** Connects that come at random moments (Poisson). */
export function load(clock: EventClock, router: Router, random: () => number, options: LoadOptions) {
  const { connect, perSecond, from = 0, until } = options;
  const all: Connected[] = [];
  let n = 0;
  const next = (ms: number) =>
    clock.plan(ms, () => {
      if (clock.now() >= 1000 * until) return;
      connectOnce(clock, router, connect(n++), options, (connected) => all.push(connected));
      next((-Math.log(1 - random()) * 1000) / perSecond);
    });
  next(1000 * from);
  return all;
}

/** So many clients at a time, each of which connects again when it has an answer or gave up. */
export function closedLoop(
  clock: EventClock,
  router: Router,
  atATime: number,
  options: Omit<LoadOptions, 'perSecond' | 'from'>,
) {
  const all: Connected[] = [];
  let n = 0;
  const again = () => {
    if (clock.now() >= 1000 * options.until) return;
    connectOnce(clock, router, options.connect(n++), options, (connected) => {
      all.push(connected);
      // The connection lasts for a moment.
      clock.plan(50, again);
    });
  };
  for (let i = 0; i < atATime; i++) again();
  return all;
}
