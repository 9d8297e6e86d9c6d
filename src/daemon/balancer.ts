import type { Logger } from 'pino';
import type { Config } from '../config/config.js';
import type { LineSink } from '../log.js';
import type { QueueError } from '../queue/queue.js';
import type { ConnectionSource } from './connections.js';

/** What both balancers have, that of the WANs and that of the services. */
export interface BalancerParts {
  readonly config: Config;
  readonly logger: Logger;
  /** Where the mark log's lines go; undefined: through the logger. */
  readonly line: LineSink | undefined;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Where live connections of the marks come from; undefined where there are no marks, or nobody can count. */
  readonly connections: ConnectionSource | undefined;
  /** Called when a queue is lost and the balancer can decide nothing any more. */
  readonly onLost: (error: QueueError) => void;
}
