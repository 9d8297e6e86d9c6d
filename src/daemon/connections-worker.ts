/** The thread that reads conntrack's table, started for one answer; its data is a {@link ListedConfig} and a {@link ListQuery}. */
import { parentPort, workerData } from 'node:worker_threads';
import { type ListedConfig, type ListQuery, listConnections } from '../system/connection-list.js';

const { config, query } = workerData as { config: ListedConfig; query: ListQuery };
parentPort!.postMessage(listConnections(config, query));
