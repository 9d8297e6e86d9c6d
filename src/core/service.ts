import type { Family } from './family.js';
import type { MemberParts } from './member.js';

/** The traffic that a service balances: the ports of one protocol, or everything that comes to its address. */
export type ServiceProto = 'tcp' | 'udp' | 'any';

/** The ports from `low` to `high`, both included; the two are equal for a single port. */
export interface PortRange {
  readonly low: number;
  readonly high: number;
}

/** A server behind a service. */
export interface Backend {
  /** The endpoint as written in `to=`; unique in its service. */
  readonly name: string;
  readonly family: Family;
  readonly address: string;
  /** Undefined where connections keep the port that the client asked for. */
  readonly port: number | undefined;
  /** Share of new connections, relative to the service's other backends: 0 or more; 0 drains. */
  readonly weight: number;
  /** Lower is preferred. */
  readonly tier: number;
  /** The backend's number inside the backends' mark field, 1..max of the field; unique among all services. */
  readonly mark: number;
}

/** How the source of a service's connections is translated; an address means SNAT. */
export type ServiceSnat = 'auto' | 'none' | string;

/** One address in front of several servers. */
export interface Service {
  readonly name: string;
  readonly family: Family;
  /** The address that clients connect to, in the form of RFC 5952; undefined where it is any address of `device`. */
  readonly address: string | undefined;
  /** The device whose addresses clients connect to, whatever these are at the moment. */
  readonly device: string | undefined;
  readonly proto: ServiceProto;
  /** Undefined for `any`. */
  readonly ports: PortRange | undefined;
  readonly snat: ServiceSnat;
  /** A built-in strategy's name or alias, or a file; resolved by `loadStrategy`. */
  readonly strategy: string;
  /** The backends in the order of the configuration; never empty. */
  readonly backends: readonly Backend[];
}

/**
 * The form that `listen=` takes: `192.168.1.1:27017/tcp`, `[2001:db8::1]:8000-8100/udp`, `192.168.1.1/any`,
 * `dev:ppp0:443/tcp`.
 */
export function formatListen({ family, address, device, proto, ports }: Omit<Service, 'backends'>): string {
  const place = address ?? `dev:${device}`;
  if (ports === undefined) return `${place}/${proto}`;
  const range = ports.low === ports.high ? `${ports.low}` : `${ports.low}-${ports.high}`;
  return `${address !== undefined && family === 6 ? `[${address}]` : place}:${range}/${proto}`;
}

/** The name of a backend as a target, under which its number is remembered as well: `web/10.0.0.2:80`. */
export function backendName(service: Pick<Service, 'name'>, backend: Pick<Backend, 'name'>): string {
  return `${service.name}/${backend.name}`;
}

/** A backend as a member of its service's pool. */
export function backendMember(service: Service, backend: Backend): MemberParts<Backend> {
  return {
    target: { name: backendName(service, backend), families: [backend.family] },
    candidate: backend,
  };
}
