import { formatEndpoint } from '../core/endpoint.js';
import { type Backend, backendName, type Service } from '../core/service.js';
import { UsageError } from '../errors.js';
import { type CheckConfig, checkRecord, parseCheck } from './check.js';
import { suggestion } from './nearest.js';
import { bareRecord } from './record.js';

/** The checks of a configuration. */
export interface Checks {
  readonly wans: readonly CheckConfig[];
  /**
   * Those of the backends, each named as a target, `web/10.0.0.2:8080`; among them the default ones, see {@link
   * defaultCheck}.
   */
  readonly backends: readonly CheckConfig[];
}

/** In place of a kind: the backend is not even asked in the default way. */
const NONE = 'none';

/** A server that answers a request of its own health well says 200; the 204 of the WANs' checks tells captive portals. */
const SERVER_STATUS = '200';
const DNS_PORT = 53;

interface Server {
  readonly service: Service;
  readonly backend: Backend;
  /** The name as a target. */
  readonly name: string;
}

/** What one item says. */
interface Found extends Checks {
  /** The backends, by name, that it is for. */
  readonly named: readonly string[];
}

/** Reads the checks; each must be for a WAN, a service or a backend that exists. @throws UsageError */
export function parseChecks(
  items: readonly unknown[],
  wans: readonly string[],
  services: readonly Service[],
): Checks {
  const servers = services.flatMap((service) =>
    service.backends.map((backend) => ({ service, backend, name: backendName(service, backend) })),
  );
  const found = items.map((item): Found => {
    const record = checkRecord(item);
    const { wan, check } = record;
    const isWan = wans.includes(String(wan)) || (wan === 'all' && wans.length > 0);
    const those = servers.filter(({ service, name }) => service.name === wan || name === wan);
    if (isWan && those.length > 0)
      throw new UsageError(`check of "${wan}": a WAN and a service have this name; give each its own`);
    if (those.length > 0) {
      if (check === NONE && Object.keys(record).length > 2)
        throw new UsageError(`check of "${wan}": none has no keys; leave the rest out`);
      const backends = check === NONE ? [] : those.map((server) => parseServerCheck(item, server));
      return { wans: [], backends, named: those.map(({ name }) => name) };
    }
    if (!isWan && wan !== undefined && wan !== '') throw unknown(String(wan), wans, services);
    return { wans: [parseCheck(item)], backends: [], named: [] };
  });
  const named = found.flatMap((one) => one.named);
  const defaults = servers.filter(({ name }) => !named.includes(name)).flatMap(defaultCheck);
  return {
    wans: found.flatMap((one) => one.wans),
    backends: [...found.flatMap(({ backends }) => backends), ...defaults],
  };
}

/**
 * How a backend is asked where nobody says how: by its TCP port, and by pings where it has no such port, or many. A
 * port that refuses a connection refuses clients, too; but that a host answers no pings says nothing if it never
 * answered one. The only backend of a service is not asked, since nothing could replace it.
 */
function defaultCheck(server: Server): CheckConfig[] {
  const { service, backend, name } = server;
  if (service.backends.length === 1) return [];
  const { proto, ports } = service;
  const hasOnePort = backend.port !== undefined || ports?.low === ports?.high;
  if (proto === 'tcp' && hasOnePort) return [parseServerCheck({ wan: name, check: 'tcp' }, server)];
  return [{ ...parseServerCheck({ wan: name, check: 'ping' }, server), onceAnswered: true }];
}

function unknown(name: string, wans: readonly string[], services: readonly Service[]): UsageError {
  const what = [...(wans.length > 0 ? ['WAN'] : []), ...(services.length > 0 ? ['service or backend'] : [])];
  const known = [...wans, ...(wans.length > 0 ? ['all'] : []), ...services.map((service) => service.name)];
  return new UsageError(`check of "${name}": there is no such ${what.join(', ')}${suggestion(name, known)}`);
}

function parseServerCheck(item: unknown, server: Server): CheckConfig {
  const record = checkRecord(item);
  const kind = String(record.check);
  const to = record.to === undefined || record.to === null ? undefined : String(record.to);
  const asked =
    kind === 'script' || (to !== undefined && !/^[:/]/.test(to)) ? to : ask(kind, to ?? '', server);
  return parseCheck(
    bareRecord({
      ...(record as Record<string, string>),
      ...(kind === 'http' && record.status === undefined ? { status: SERVER_STATUS } : {}),
      ...(asked === undefined ? {} : { to: asked }),
      family: String(record.family ?? server.backend.family),
      wan: server.name,
    }),
  );
}

/** The target of a check that asks the server itself. @param to empty, or another port and a page: `:8081/health` */
function ask(kind: string, to: string, { service, backend, name }: Server): string {
  const { family, address } = backend;
  const [, given, page = ''] = /^(?::(\d+))?(\/.*)?$/.exec(to) ?? [];
  if (to !== '' && given === undefined && page === '') return to;
  const port = given ?? backend.port ?? service.ports?.low ?? (kind === 'dns' ? DNS_PORT : undefined);
  if (kind === 'ping') return `${address}${to}`;
  if (port === undefined) {
    throw new UsageError(`check of "${name}": the backend has no port of its own; add for example to=:443`);
  }
  const endpoint = formatEndpoint(family, address, Number(port));
  return kind === 'http' ? `http://${endpoint}${page === '' ? '/' : page}` : `${endpoint}${page}`;
}
