import type { ConnectionList, ConnectionQuery, ListedConnection } from '../core/listed-connection.js';
import { UsageError } from '../errors.js';
import { rejectOthers } from './query.js';

/** The most connections of one answer, and how many it has by default. */
export const MOST_CONNECTIONS = 1000;
/** How many connections an answer lists where no `limit` is given. */
export const DEFAULT_CONNECTIONS = 100;

/** A connection in the answer. */
export type ConnectionV1 = ListedConnection;

/** The answer to `GET /v1/connections`. Fields may be added, never renamed. */
export interface ConnectionsV1 extends ConnectionList {
  readonly api: 1;
}

/** @throws UsageError */
export function parseConnectionQuery(query: URLSearchParams): ConnectionQuery {
  rejectOthers(query, ['wan', 'client', 'policy', 'limit']);
  const limit = query.get('limit') ?? String(DEFAULT_CONNECTIONS);
  const number = /^\d{1,4}$/.test(limit) ? Number(limit) : 0;
  if (number < 1 || number > MOST_CONNECTIONS) throw new UsageError(`limit must be 1 to ${MOST_CONNECTIONS}`);
  const text = (name: 'wan' | 'client' | 'policy') => {
    const value = query.get(name);
    return value === null ? {} : { [name]: value };
  };
  return { ...text('wan'), ...text('client'), ...text('policy'), limit: number };
}
