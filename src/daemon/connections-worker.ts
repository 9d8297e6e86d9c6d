/** The thread that reads conntrack's table, started for one answer; its data is a {@link ListedConfig} and a {@link ConnectionQuery}. */
import { parentPort, workerData } from 'node:worker_threads';
import type { ConnectionQuery } from '../core/listed-connection.js';
import { type ListedConfig, listConnections } from '../system/connection-list.js';

const { config, query } = workerData as { config: ListedConfig; query: ConnectionQuery };
parentPort!.postMessage(listConnections(config, query));
