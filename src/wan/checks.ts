import type { CheckConfig } from '../config/check.js';
import { formatEndpoint, splitEndpoint } from '../core/endpoint.js';
import { programsAs, type RunProgram } from '../system/programs.js';
import type { Check } from './check/check.js';
import { NameCache, probeByName } from './check/names.js';

/** What checks share. */
export interface CheckTools {
  readonly names?: NameCache;
  /** Runs scripts; as this process by default. */
  readonly run?: RunProgram;
}

/** Makes the function that does a configured check. */
export function makeCheck(
  config: CheckConfig,
  { names = new NameCache(), run = programsAs(undefined) }: CheckTools = {},
): Check {
  switch (config.kind) {
    case 'ping':
      return byName(
        loaded(async () => (await import('./check/ping.js')).ping),
        names,
      );
    case 'tcp':
      return byName(
        loaded(async () => (await import('./check/tcp.js')).tcp),
        names,
      );
    case 'http':
      return loaded(async () => (await import('./check/http.js')).httpCheck(config.status, names));
    case 'dns':
      return byName(
        loaded(async () => (await import('./check/dns.js')).dnsCheck(config.name)),
        names,
      );
    case 'script':
      return loaded(async () => (await import('./check/script.js')).scriptCheck(run));
  }
}

/**
 * Loads a check at once, but not with this file: loading all checks is 20 ms of a start, mostly TLS, and few routers use
 * them all. Node never loads again what could not be loaded, so nothing may be left for when descriptors are short.
 */
function loaded(load: () => Promise<Check>): Check {
  const check = load();
  // Each probe says what is wrong.
  check.catch(() => undefined);
  return async (...probe) => (await check)(...probe);
}

/** A check whose targets may have names in place of addresses. */
function byName(check: Check, names: NameCache): Check {
  return (target, path, timeoutMs, signal) => {
    const { address: name, family, port } = splitEndpoint(target);
    if (family !== undefined) return check(target, path, timeoutMs, signal);
    const endpoint = (address: string) =>
      formatEndpoint(path.family, address, port === undefined ? undefined : Number(port));
    return probeByName(names, name, { path, timeoutMs, signal }, (address) =>
      check(endpoint(address), path, timeoutMs, signal),
    );
  };
}
