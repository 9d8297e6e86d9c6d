import type { StatusV1 } from '../src/control/status.js';
import type { Event } from '../src/core/event.js';

/** What the server says of this page. */
export interface Session {
  readonly version: string;
  /** Whether WANs can be set. */
  readonly allowSet: boolean;
  /** Whether somebody is logged in, and can end that. */
  readonly canLogout: boolean;
}

/** What the server tells each second. */
export interface Told {
  readonly at: string;
  /** Null where no daemon answers. */
  readonly status: StatusV1 | null;
  /** Why it does not. */
  readonly error: string;
}

/** What the page shows at the moment. */
export interface State {
  readonly session: Session;
  readonly told: Told | undefined;
  /** The last events, the oldest first. */
  readonly events: readonly Event[];
  /** Whether the server tells us at the moment. */
  readonly isLive: boolean;
}
