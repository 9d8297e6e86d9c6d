import { Worker } from 'node:worker_threads';
import type { ConnectionList, ConnectionQuery } from '../core/listed-connection.js';
import { SystemError } from '../errors.js';
import { packagePath } from '../paths.js';
import type { ListedConfig } from '../system/connection-list.js';

const WORKER = packagePath('dist/daemon/connections-worker.js');
/** How many may wait while one list is made. */
const MOST_WAITING = 8;

/** Lists live connections on a thread of its own, one list after the other, so that no decision waits for a large table. */
export class ConnectionLists {
  readonly #config: ListedConfig;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(config: ListedConfig) {
    this.#config = config;
  }

  /** @throws SystemError where too many ask, or the kernel refuses */
  list(query: ConnectionQuery): Promise<ConnectionList> {
    if (this.#waiting >= MOST_WAITING)
      return Promise.reject(new SystemError('BUSY', 'too many ask for connections; try again later'));
    this.#waiting++;
    const list = this.#last.then(() => this.#read(query)).finally(() => this.#waiting--);
    this.#last = list.catch(() => undefined);
    return list;
  }

  #read(query: ConnectionQuery): Promise<ConnectionList> {
    return new Promise((resolve, reject) => {
      const fail = (error: Error) =>
        reject(new SystemError('CONNTRACK', `conntrack cannot be read: ${error.message}`));
      const worker = new Worker(WORKER, {
        workerData: { config: this.#config, query },
      });
      worker.unref();
      worker.once('message', resolve);
      worker.once('error', fail);
      worker.once('exit', () => fail(new Error('its thread has ended')));
    });
  }
}
