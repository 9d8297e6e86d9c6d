import type { Config } from '../config/config.js';
import { type Addresses, parseAddresses } from '../config/match/address.js';
import { hasAddress, policyOfTuple } from '../config/match/of-tuple.js';
import { DEFAULT_POLICY } from '../config/policy.js';
import type { ConnectionList, ConnectionQuery, ListedConnection } from '../core/listed-connection.js';
import { MarkField } from '../core/mark.js';
import { protocolName } from '../core/protocol.js';
import { natOf, type Wan } from '../core/wan.js';
import { UsageError } from '../errors.js';
import { type AnyConnection, connectionsWithMark } from './rtnetlink/connections.js';

/** The part of a configuration that says what a connection is; it can be sent to another thread. */
export interface ListedConfig {
  readonly wans: readonly Wan[];
  readonly mask: number;
  readonly policies: Pick<Config['policies'], 'rules'>;
}

/** The states of TCP in which a connection lives; from FIN_WAIT on it ends, as it does for the counts of WANs. */
const LIVE_TCP = new Set(['SYN_SENT', 'SYN_RECV', 'ESTABLISHED', 'SYN_SENT2']);
/** How many are kept until the newest of them are known. */
const MOST_KEPT = 20_000;

/** The part of a configuration that a list needs. */
export function listedConfig({
  wans,
  fields,
  policies,
}: Pick<Config, 'wans' | 'fields' | 'policies'>): ListedConfig {
  return { wans, mask: fields.wans.mask, policies: { rules: policies.rules } };
}

/** @throws UsageError for names that are not there, or a client that is no address */
export function checkQuery(
  { wans, policies }: Pick<Config, 'wans' | 'policies'>,
  query: ConnectionQuery,
): void {
  if (query.wan !== undefined && !wans.some(({ name }) => name === query.wan))
    throw new UsageError(
      `there is no WAN "${query.wan}"; there are ${wans.map(({ name }) => name).join(', ')}`,
    );
  const names = [DEFAULT_POLICY, ...policies.used.map(({ name }) => name)];
  if (query.policy !== undefined && !names.includes(query.policy))
    throw new UsageError(`there is no policy "${query.policy}"; there are ${names.join(', ')}`);
  if (query.client !== undefined) parseAddresses('client', query.client);
}

/**
 * The live connections of WANs, the newest first as far as that is known. It reads the whole table, some microseconds for each of a
 * WAN's connections, so the daemon's own thread is not the place for it.
 * @throws Error with `errno`
 */
export function listConnections(
  config: ListedConfig,
  query: ConnectionQuery,
  read: typeof connectionsWithMark = connectionsWithMark,
): ConnectionList {
  const field = new MarkField(config.mask);
  const client = query.client === undefined ? undefined : parseAddresses('client', query.client);
  const kept: (AnyConnection & { readonly wan: Wan; readonly policy: string | null })[] = [];
  let found = 0;
  for (const wan of config.wans) {
    if (query.wan !== undefined && wan.name !== query.wan) continue;
    read(field.encode(wan.mark), field.mask, (one) => {
      if (one.tcpState !== undefined && !LIVE_TCP.has(one.tcpState)) return;
      if (client !== undefined && !isOf(client, one)) return;
      const policy = policyOf(config, wan, one);
      if (query.policy !== undefined && policy !== query.policy) return;
      found++;
      if (kept.length < MOST_KEPT) kept.push({ ...one, wan, policy });
    });
  }
  const newest = kept.toSorted((a, b) => (b.since ?? 0) - (a.since ?? 0)).slice(0, query.limit);
  return { found, connections: newest.map(shown) };
}

function isOf(client: Addresses, { src, family }: AnyConnection): boolean {
  return hasAddress(client, src, family);
}

/**
 * The policy of a connection that left by a WAN. One that a WAN translates and that has its own source came in, or is the
 * router's own, which rules may treat otherwise.
 */
function policyOf({ policies }: ListedConfig, wan: Wan, one: AnyConnection): string | null {
  if (natOf(wan, one.family) !== 'none' && !one.isSourceTranslated) return null;
  return policyOfTuple(policies.rules, one, DEFAULT_POLICY) ?? null;
}

function shown({
  wan,
  policy,
  family,
  proto,
  src,
  sport,
  dst,
  dport,
  tcpState,
  isAnswered,
  since,
  bytes,
}: AnyConnection & { readonly wan: Wan; readonly policy: string | null }): ListedConnection {
  return {
    family,
    proto: protocolName(proto),
    src,
    sport,
    dst,
    dport,
    wan: wan.name,
    policy,
    state: tcpState ?? (isAnswered ? 'answered' : 'unanswered'),
    since: since === undefined ? null : new Date(since).toISOString(),
    bytes: bytes ?? null,
  };
}
