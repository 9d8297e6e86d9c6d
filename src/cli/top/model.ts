import type { ConnectionsV1 } from '../../control/connections.js';
import type { StatusV1 } from '../../control/status.js';
import type { Event } from '../../core/event.js';

/** What the screen shows. */
export interface TopModel {
  /** The last answer of the daemon; undefined before the first. */
  readonly status: StatusV1 | undefined;
  /** Why the last question was not answered; undefined where it was. */
  readonly failure: string | undefined;
  /** The rates of each WAN over ten minutes, by name, the oldest first. */
  readonly rates: ReadonlyMap<string, readonly (number | null)[]>;
  /** The oldest first. */
  readonly events: readonly Event[];
  /** The place of the chosen WAN. */
  readonly chosen: number;
  /** The live connections of the chosen WAN; undefined where the WANs are shown. */
  readonly connections:
    | { readonly wan: string; readonly list: ConnectionsV1 | undefined; readonly from: number }
    | undefined;
  /** What is asked before it is done, or what was done last; one line. */
  readonly question: string | undefined;
  readonly said: string | undefined;
  /** Milliseconds of the epoch. */
  readonly now: number;
}

/** The size of the terminal, and what it can show. */
export interface Canvas {
  readonly columns: number;
  readonly rows: number;
  readonly utf8: boolean;
}
