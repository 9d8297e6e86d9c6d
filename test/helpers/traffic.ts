import type { Family } from '#wanmark/core/family.js';
import type { Flow, Seen } from '#wanmark/lab/agent/protocol.js';
import type { Host } from '#wanmark/lab/host.js';
import { type Lab, SERVER_PORT } from '#wanmark/lab/lab.js';
import { SERVER } from '#wanmark/lab/network.js';

export interface TrafficOptions {
  /** The host that sends; default the first client. */
  readonly from?: Host;
  readonly family?: Family;
  /** The address to send to; default the internet server's. */
  readonly to?: string;
  readonly port?: number;
  readonly count?: number;
  readonly tag?: string;
}

function target(lab: Lab, options: TrafficOptions) {
  const from = options.from ?? lab.client;
  const family = options.family ?? 4;
  const { to = SERVER[family], port = SERVER_PORT } = options;
  return { from, request: { family, to, port, from: lab.sourcesOf(from, family) } };
}

/** Counts flows by WAN: `{wan1: 30, wan2: 30}`; flows without a WAN count as `none`, failed ones by their error. */
export function tally(flows: readonly { readonly wan?: string | undefined; readonly error?: string }[]) {
  const counts: Record<string, number> = {};
  for (const { wan, error } of flows) {
    const name = error ?? wan ?? 'none';
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** The messages of a tag that the internet server saw: one entry for each source address and port. */
export function seen(lab: Lab, tag?: string): Promise<Seen[]> {
  return lab.server.agent.request({ op: 'seen', ...(tag === undefined ? {} : { tag }) });
}

/**
 * Sends `count` UDP datagrams that get no answer from one socket; resolves when the server has all of them, with the
 * source addresses and ports that it saw.
 */
export async function udpStream(lab: Lab, options: TrafficOptions = {}): Promise<Seen[]> {
  const { from, request } = target(lab, options);
  const { count = 200, tag = 'stream' } = options;
  await from.agent.request<Flow>({ op: 'stream', ...request, count, tag });
  await lab.server.agent.request({ op: 'arrived', tag, messages: count });
  return seen(lab, tag);
}

/**
 * Sends two datagrams at once from each of `count` sockets, like a resolver's A and AAAA queries. `wans` are the WANs
 * that the two came by.
 */
export async function udpPairs(lab: Lab, options: TrafficOptions = {}) {
  const { from, request } = target(lab, options);
  const { count = 200, tag = 'pairs' } = options;
  const limits = { concurrency: 32, timeoutMs: 10_000 };
  const flows = await from.agent.request<Flow[]>({ op: 'pairs', ...request, ...limits, count, tag });
  return flows.map((flow) => ({ ...flow, wans: flow.seenAs.map(({ address }) => lab.wanOf(address)) }));
}

/** Starts a TCP connection without waiting for an answer, which may never come; `release` gives it up. */
export function dial(lab: Lab, options: TrafficOptions = {}): Promise<Flow> {
  const { from, request } = target(lab, options);
  return from.agent.request({ op: 'dial', ...request });
}

/** Closes connections that are held or still being made. */
export function release(from: Host, flows: readonly Flow[]): Promise<void> {
  return from.agent.request({ op: 'release', ids: flows.map(({ id }) => id) });
}
