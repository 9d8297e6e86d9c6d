import { isIPv4, isIPv6 } from 'node:net';
import { formatEndpoint, splitEndpoint } from '../core/endpoint.js';
import type { Family } from '../core/family.js';
import type { MarkField } from '../core/mark.js';
import { type Backend, backendName, formatListen, type PortRange, type Service } from '../core/service.js';
import { UsageError } from '../errors.js';
import { parseListen, parsePort, shortAddress, splitAddress } from './endpoint.js';
import { FIREWALLS } from './firewall.js';
import { BACKEND_KEYS, SERVICE_KEYS } from './keys.js';
import { suggestion } from './nearest.js';
import { parseInteger } from './number.js';
import { assignNumbers } from './numbers.js';
import { joinHash, rejectUnknownKeys, textOf, toRecord } from './record.js';
import { builtIn, isStrategyFile } from './strategy.js';
import { MAX_WEIGHT, NAME } from './wan.js';

/** Reads the services with their backends and checks them one by one and against each other. @throws UsageError */
export function parseServices(
  services: readonly unknown[],
  backends: readonly unknown[],
  field: MarkField,
  remembered: ReadonlyMap<string, number> = new Map(),
): readonly Service[] {
  const records = backends.map((item) => toRecord('backend', item));
  const heads = services.map((item) =>
    parseService(toRecord('service', joinHash(item)), (name) => firstFamily(records, name)),
  );
  heads.forEach((head, i) => {
    if (heads.some((other, j) => j < i && other.name === head.name))
      throw new UsageError(`two services are named "${head.name}"; give each its own name`);
  });
  if (backends.length > field.max) {
    throw new UsageError(
      `${backends.length} backends do not fit the mask, which holds ${field.max}; use a wider --backend-mask`,
    );
  }
  const parsed = records.map((record) => {
    const owner = ownerOf(record);
    const head = heads.find((one) => one.name === owner);
    if (head === undefined) {
      if (record.to === undefined && record.mark === undefined) throw neitherOf(owner);
      const known = heads.map((one) => one.name);
      throw new UsageError(
        known.length === 0
          ? `backend of service "${owner}", but there is no service; add --service ${owner},listen=ADDRESS:PORT/tcp`
          : `backend of unknown service "${owner}"${suggestion(owner, known)}`,
      );
    }
    return { head, backend: parseBackend(record, head, field) };
  });
  rejectTwinMarks(parsed.map(({ backend }) => backend));
  for (const head of heads) rejectTwinServers(head, parsed);
  const name = ({ head, backend }: ParsedBackend) => backendName(head, backend);
  const numbers = assignNumbers(
    parsed.map((one) => ({ name: name(one), given: one.backend.mark })),
    remembered,
    field.max,
  );
  const all = heads.map((head) => {
    const own = parsed.filter((one) => one.head.name === head.name);
    return finish(
      head,
      own.map((one) => Object.freeze({ ...one.backend, mark: numbers.get(name(one))! })),
    );
  });
  rejectOverlaps(all);
  return Object.freeze(all);
}

type Head = Omit<Service, 'backends'>;

/** A word alone that is no service's name was meant to be a firewall, or is a server without its address. */
function neitherOf(word: string): UsageError {
  const words = FIREWALLS.join(', ');
  return new UsageError(`unknown backend "${word}"; use one of ${words}, or for a server SERVICE,to=ADDRESS`);
}

/** The name of a backend's service. */
function ownerOf(record: Readonly<Record<string, unknown>>): string {
  // The first word of a flag stands under `name`.
  return textOf(record, 'service') ?? textOf(record, 'name') ?? '';
}

/** The family of a service's first backend; IPv4 where that is not there or has no address, which is refused later. */
function firstFamily(records: readonly Readonly<Record<string, unknown>>[], service: string): Family {
  const first = records.find((record) => ownerOf(record) === service);
  const to = first === undefined ? undefined : textOf(first, 'to');
  return (to === undefined ? undefined : splitEndpoint(to).family) ?? 4;
}

/** A backend as configured; its mark is undefined where the configuration gives none. */
interface ParsedBackend {
  readonly head: Head;
  readonly backend: Omit<Backend, 'mark'> & { readonly mark: number | undefined };
}

/** @param familyOf the family of a service that listens on a device, which has addresses of both */
function parseService(record: Readonly<Record<string, unknown>>, familyOf: (name: string) => Family): Head {
  const name = textOf(record, 'name') ?? '';
  if (!NAME.test(name)) {
    throw new UsageError(
      `service name "${name}" must be 1 to 15 letters, digits, dots, dashes or underscores`,
    );
  }
  const where = `service "${name}"`;
  rejectUnknownKeys(where, record, Object.keys(SERVICE_KEYS));
  const listen = textOf(record, 'listen');
  if (listen === undefined) throw new UsageError(`${where} has no address; add listen=ADDRESS:PORT/tcp`);
  const at = parseListen(where, listen);
  const family = at.family ?? familyOf(name);
  return {
    name,
    ...at,
    family,
    snat: parseSnat(where, textOf(record, 'snat') ?? SERVICE_KEYS.snat.default, family),
    strategy: parseStrategyName(where, textOf(record, 'strategy') ?? SERVICE_KEYS.strategy.default),
  };
}

function parseSnat(where: string, value: string, family: Family): string {
  if (value === 'auto' || value === 'none') return value;
  const fits = family === 4 ? isIPv4(value) : isIPv6(value) && !value.includes('%');
  if (fits) return family === 6 ? shortAddress(value) : value;
  throw new UsageError(`${where}: snat "${value}" must be auto, none or an IPv${family} address`);
}

function parseStrategyName(where: string, name: string): string {
  if (isStrategyFile(name)) return name;
  try {
    return builtIn(name).name;
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${where}: ${error.message}`, { cause: error });
    throw error;
  }
}

function parseBackend(
  record: Readonly<Record<string, unknown>>,
  head: Head,
  field: MarkField,
): ParsedBackend['backend'] {
  const to = textOf(record, 'to');
  const where = `backend "${to ?? ''}" of service "${head.name}"`;
  rejectUnknownKeys(where, record, Object.keys(BACKEND_KEYS));
  if (to === undefined)
    throw new UsageError(`a backend of service "${head.name}" has no address; add to=ADDRESS`);
  const { address, family, port } = splitAddress(where, to);
  if (family !== head.family) {
    throw new UsageError(
      head.device === undefined
        ? `${where} is IPv${family}, but the service listens on IPv${head.family}; NAT cannot change the family`
        : `${where} is IPv${family}, but its first backend is IPv${head.family}; use a service for each family`,
    );
  }
  if (port !== undefined && head.proto === 'any')
    throw new UsageError(`${where}: with /any the port stays; leave ":${port}" out`);
  const toPort = port === undefined ? undefined : parsePort(`${where}: port`, port);
  if (address === head.address && (toPort === undefined || within(toPort, head.ports)))
    throw new UsageError(`${where} is the service itself; give the server's own address`);
  const given = textOf(record, 'mark');
  const mark = given === undefined ? undefined : parseInteger(`${where}: mark`, given, 1, 2 ** 32);
  if (mark !== undefined && mark > field.max)
    throw new UsageError(`${where}: mark ${mark} is outside the mask, which holds 1..${field.max}`);
  return Object.freeze({
    name: formatEndpoint(family, address, toPort),
    family,
    address,
    port: toPort,
    weight: parseInteger(
      `${where}: weight`,
      textOf(record, 'weight') ?? BACKEND_KEYS.weight.default,
      0,
      MAX_WEIGHT,
    ),
    mark,
    tier: parseInteger(`${where}: tier`, textOf(record, 'tier') ?? BACKEND_KEYS.tier.default, 1, MAX_WEIGHT),
  });
}

function within(port: number, ports: PortRange | undefined): boolean {
  return ports === undefined || (port >= ports.low && port <= ports.high);
}

function rejectTwinServers(head: Head, parsed: readonly ParsedBackend[]): void {
  const names = parsed.filter((one) => one.head.name === head.name).map(({ backend }) => backend.name);
  const twin = names.find((name, i) => names.indexOf(name) !== i);
  if (twin !== undefined)
    throw new UsageError(`service "${head.name}" has backend ${twin} twice; give it once, with a weight`);
}

function finish(head: Head, backends: readonly Backend[]): Service {
  if (backends.length === 0)
    throw new UsageError(`service "${head.name}" has no backend; add --backend ${head.name},to=ADDRESS:PORT`);
  if (backends.every((backend) => backend.weight === 0)) {
    throw new UsageError(
      `every backend of service "${head.name}" has weight 0, so none takes connections; give one 1 or more`,
    );
  }
  return Object.freeze({ ...head, backends: Object.freeze(backends) });
}

function rejectTwinMarks(backends: readonly ParsedBackend['backend'][]): void {
  backends.forEach((backend, i) => {
    const twin = backends.find(
      (other, j) => j < i && other.mark !== undefined && other.mark === backend.mark,
    );
    if (twin !== undefined) {
      throw new UsageError(
        `backends "${twin.name}" and "${backend.name}" both have mark ${backend.mark}; give each its own`,
      );
    }
  });
}

/** Rejects two services for the same packet: only their order would decide which of them gets it. */
function rejectOverlaps(services: readonly Service[]): void {
  services.forEach((service, i) => {
    const twin = services.find((other, j) => j < i && overlap(service, other));
    if (twin !== undefined) {
      throw new UsageError(
        `services "${twin.name}" (${formatListen(twin)}) and "${service.name}" (${formatListen(service)}) overlap; ` +
          'give each its own address or ports',
      );
    }
  });
}

/** A device may have the address of another service; that one is then asked first. */
function overlap(a: Service, b: Service): boolean {
  if (a.address !== b.address || a.device !== b.device || a.family !== b.family) return false;
  if (a.ports === undefined || b.ports === undefined) return true;
  return a.proto === b.proto && a.ports.low <= b.ports.high && b.ports.low <= a.ports.high;
}
