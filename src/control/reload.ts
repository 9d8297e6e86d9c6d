import type { Socket } from 'node:net';

/** The answer to `POST /reload`, as JSON: the lists with 200, `error` with any other status. Fields may be added. */
export interface ReloadAnswer {
  /** What changed, or would change, a line each: `~ fibre weight 5 -> 3`; empty where nothing does. */
  readonly lines?: readonly string[];
  /** What may be wrong with the configuration, a line each. */
  readonly doubts?: readonly string[];
  /** One line: what is wrong and what to do. Nothing has changed. */
  readonly error?: string;
}

/** Who may reload the daemon, and what that does. */
export interface Reloading {
  readonly isAllowed: (client: Socket) => boolean;
  /** @param dry whether only to say what would change @throws WanmarkError */
  readonly reload: (dry: boolean) => Promise<ReloadAnswer>;
}
