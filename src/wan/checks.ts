import type { CheckConfig } from '../config/check.js';
import type { Check } from './check/check.js';
import { dnsCheck } from './check/dns.js';
import { httpCheck } from './check/http.js';
import type { NameCache } from './check/names.js';
import { ping } from './check/ping.js';
import { script } from './check/script.js';
import { tcp } from './check/tcp.js';

/** The function that does what a configuration asks for. @param names shared by the checks that resolve names */
export function makeCheck(config: CheckConfig, names?: NameCache): Check {
  switch (config.kind) {
    case 'ping':
      return ping;
    case 'tcp':
      return tcp;
    case 'http':
      return httpCheck(config.status, names);
    case 'dns':
      return dnsCheck(config.name);
    case 'script':
      return script;
  }
}
