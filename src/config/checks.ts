import { formatEndpoint } from '../core/endpoint.js';
import { type Backend, backendName, type Service } from '../core/service.js';
import { UsageError } from '../errors.js';
import { type CheckConfig, checkRecord, parseCheck } from './check.js';
import { suggestion } from './nearest.js';
import { bareRecord } from './record.js';

/** The checks of a configuration. */
export interface Checks {
  readonly wans: readonly CheckConfig[];
  /** One for each backend; it is named as a target, `web/10.0.0.2:8080`. */
  readonly backends: readonly CheckConfig[];
}

/** A server that answers a request of its own health well says 200; the 204 of the WANs' checks tells captive portals. */
const SERVER_STATUS = '200';
const DNS_PORT = 53;

interface Server {
  readonly service: Service;
  readonly backend: Backend;
  /** The name as a target. */
  readonly name: string;
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
  const found = items.map((item): Checks => {
    const { wan } = checkRecord(item);
    const isWan = wans.includes(String(wan)) || (wan === 'all' && wans.length > 0);
    const those = servers.filter(({ service, name }) => service.name === wan || name === wan);
    if (isWan && those.length > 0)
      throw new UsageError(`check of "${wan}": a WAN and a service have this name; give each its own`);
    if (those.length > 0)
      return { wans: [], backends: those.map((server) => parseServerCheck(item, server)) };
    if (!isWan && wan !== undefined && wan !== '') throw unknown(String(wan), wans, services);
    return { wans: [parseCheck(item)], backends: [] };
  });
  return { wans: found.flatMap((one) => one.wans), backends: found.flatMap(({ backends }) => backends) };
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
