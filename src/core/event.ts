import type { Family } from './family.js';

/**
 * Something that happened and that somebody may ask about later. `target` is the name of a WAN, or of a backend behind its
 * service's (`web/10.0.0.2:80`). Kinds and fields may be added, never renamed.
 */
export type Happening =
  /** The daemon began, or ended in order. */
  | { readonly kind: 'start'; readonly pid: number; readonly version: string }
  | { readonly kind: 'stop'; readonly pid: number; readonly uptimeSeconds: number }
  /** A target's state in one family changed. */
  | {
      readonly kind: 'state';
      readonly target: string;
      readonly family: Family;
      readonly state: 'up' | 'suspected' | 'down';
      readonly reason: string;
      /** How long the state before it lasted; null where that is not known. */
      readonly lastedSeconds: number | null;
    }
  /** Connections of a target were ended, so that they are made again by another. */
  | {
      readonly kind: 'cut';
      readonly target: string;
      readonly family: Family;
      /** `udp`: UDP, and what was never answered. */
      readonly which: 'all' | 'udp' | 'unanswered';
      /** How many; null where the kernel did it by itself and nobody counted. */
      readonly connections: number | null;
    }
  /** Connections were moved off a backup. */
  | {
      readonly kind: 'moved';
      readonly target: string;
      readonly family: Family;
      readonly connections: number;
      /** How many could not be. */
      readonly left: number;
    }
  /** Rules or routes of ours were missing and have been put back. */
  | { readonly kind: 'repaired'; readonly missing: number; readonly lines: readonly string[] }
  /** The rules could not be brought up to date, or miss something that is not put back. */
  | { readonly kind: 'rules'; readonly error: string }
  /** A user's program failed. */
  | {
      readonly kind: 'hook';
      readonly target: string;
      readonly family: Family;
      readonly hook: string;
      readonly error: string;
    }
  /** `wanmark set` changed a target. */
  | {
      readonly kind: 'set';
      readonly target: string;
      readonly what: 'weight' | 'state';
      readonly now: string;
      readonly was: string;
    }
  /** The configuration was read again. */
  | {
      readonly kind: 'reload';
      /** What changed, a line each; empty where nothing did. */
      readonly changes: readonly string[];
      /** Why all stayed as it was; null where the daemon went over to it. */
      readonly error: string | null;
    };

/** A happening with its place and time. */
export type Event = Happening & {
  /** Grows by 1 with each event, also over a restart of the daemon. */
  readonly number: number;
  /** ISO 8601. */
  readonly at: string;
};

/** Takes down what happens. It never throws, and nobody waits for it. */
export interface EventSink {
  note(happening: Happening): void;
}

/** Takes down nothing. */
export const NO_EVENTS: EventSink = { note: () => undefined };

/** Whether somebody should look into it: the words of syslog. */
export function severityOf(event: Happening): 'info' | 'warning' | 'err' {
  switch (event.kind) {
    case 'state':
      return event.state === 'up' ? 'info' : 'warning';
    case 'repaired':
    case 'hook':
      return 'warning';
    case 'rules':
      return 'err';
    case 'reload':
      return event.error === null ? 'info' : 'err';
    default:
      return 'info';
  }
}

/**
 * Events with those that came later, the last `most` of them. A daemon whose journal was lost counts anew, and then what was known
 * before is not of the same journal.
 */
export function withLater(known: readonly Event[], later: readonly Event[], most: number): readonly Event[] {
  const [first] = later;
  if (first === undefined) return known;
  const kept = first.number > (known.at(-1)?.number ?? 0) ? known : [];
  return [...kept, ...later].slice(-most);
}
