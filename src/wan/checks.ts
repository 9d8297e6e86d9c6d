import type { CheckConfig } from '../config/check.js';
import { programsAs, type RunProgram } from '../system/programs.js';
import type { Check } from './check/check.js';
import type { NameCache } from './check/names.js';

/** What checks share. */
export interface CheckTools {
  readonly names?: NameCache;
  /** Runs scripts; as this process by default. */
  readonly run?: RunProgram;
}

/** Makes the function that does a configured check. */
export function makeCheck(
  config: CheckConfig,
  { names, run = programsAs(undefined) }: CheckTools = {},
): Check {
  switch (config.kind) {
    case 'ping':
      return loaded(async () => (await import('./check/ping.js')).ping);
    case 'tcp':
      return loaded(async () => (await import('./check/tcp.js')).tcp);
    case 'http':
      return loaded(async () => (await import('./check/http.js')).httpCheck(config.status, names));
    case 'dns':
      return loaded(async () => (await import('./check/dns.js')).dnsCheck(config.name));
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
