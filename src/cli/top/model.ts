import type { ConnectionsV1 } from '../../control/connections.js';
import type { JudgedStatus, StatusV1, TrafficStatus } from '../../control/status.js';
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
  /** The place of what is chosen of {@link shownOf}. */
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

/** A line of the screen: a WAN, or behind them a server, by the name that `wanmark set` knows. */
export interface Shown extends JudgedStatus {
  readonly isWan: boolean;
  readonly traffic: TrafficStatus | null;
}

/** What can be chosen, in its order. */
export function shownOf({ wans, services }: Pick<StatusV1, 'wans' | 'services'>): readonly Shown[] {
  return [
    ...wans.map((wan) => ({ ...wan, isWan: true })),
    ...services.flatMap(({ name, backends }) =>
      backends.map((one) => ({ ...one, name: `${name}/${one.name}`, isWan: false, traffic: null })),
    ),
  ];
}

/** The size of the terminal, and what it can show. */
export interface Canvas {
  readonly columns: number;
  readonly rows: number;
  readonly utf8: boolean;
}
