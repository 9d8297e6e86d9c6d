import { Resolver } from 'node:dns';
import { readFileSync } from 'node:fs';
import type { CheckConfig } from '../../config/check.js';
import type { Config } from '../../config/config.js';
import { type Endpoint, formatEndpoint, parseEndpoint } from '../../core/endpoint.js';
import { FAMILIES, type Family } from '../../core/family.js';
import type { Route } from '../../system/rtnetlink/routes.js';
import { dnsCheck } from '../../wan/check/dns.js';
import { systemClock } from '../../wan/clock.js';
import { probeRepeatedly } from '../../wan/probes.js';
import type { ServerFacts } from '../facts.js';
import type { PathTo } from './targets.js';

const PORT = 53;
const TIMEOUT_MS = 1500;
const PROBES = 2;
/** Where systemd-resolved says which servers it asks itself; resolv.conf then has its own address. */
const UPSTREAM = '/run/systemd/resolve/resolv.conf';

/** Name servers that are not programs of this router, as they are found first: in resolv.conf, of systemd-resolved, in checks. */
export function outsideServers(
  checks: readonly CheckConfig[],
  configured: readonly string[] = new Resolver().getServers(),
  upstream: string = readText(UPSTREAM),
): Endpoint[] {
  const listed = [...upstream.matchAll(/^nameserver\s+(\S+)/gm)].map(([, address]) => address!);
  const checked = checks
    .filter(({ kind }) => kind === 'dns')
    .flatMap(({ targets }) => FAMILIES.flatMap((family) => targets[family]));
  for (const texts of [configured, listed, checked]) {
    const servers = [...new Set(texts)].flatMap((text) => parseEndpoint(text, PORT) ?? []);
    const outside = servers.filter(({ address }) => !/^(127\.|::1$)/.test(address));
    if (outside.length > 0) return outside;
  }
  return [];
}

/**
 * The servers that are reached by WANs: their route is a default one, or leads by the device of a WAN. Those of a LAN are
 * asked there, whatever WAN is up.
 */
export function reachedByWans(
  servers: readonly Endpoint[],
  wanIndexes: ReadonlySet<number>,
  route: (family: Family, address: string) => Route | undefined,
): Endpoint[] {
  return servers.filter(({ family, address }) => {
    const found = route(family, address);
    return (
      found === undefined || found.dst === 'default' || found.hops.some(({ index }) => wanIndexes.has(index))
    );
  });
}

/** Asks each name server by each WAN, all at once. */
export async function askServers(
  servers: readonly Endpoint[],
  wans: Config['wans'],
  path: PathTo,
): Promise<ServerFacts[]> {
  const check = dnsCheck();
  const jobs = wans.flatMap(({ name }) =>
    servers.flatMap(({ family, address, port }) => {
      const way = path(name, family);
      if (way === undefined) return [];
      const server = formatEndpoint(family, address, port === PORT ? undefined : port);
      // One for each question: Node warns of a leak where many listen to the same one.
      const { signal } = new AbortController();
      const ask = () => check(formatEndpoint(family, address, port), way, TIMEOUT_MS, signal);
      return probeRepeatedly(ask, { count: PROBES, timeoutMs: TIMEOUT_MS }, systemClock, signal).then(
        (result): ServerFacts => ({ wan: name, family, server, result }),
      );
    }),
  );
  return Promise.all(jobs);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
