import type { Family } from './family.js';
import type { MemberParts } from './member.js';

/** What a service balances: one protocol's ports, or everything that comes to the address. */
export type ServiceProto = 'tcp' | 'udp' | 'any';

/** Ports `low` to `high`, both included; one port where they are equal. */
export interface PortRange {
  readonly low: number;
  readonly high: number;
}

/** A server behind a service. */
export interface Backend {
  /** Where it is, as in `to=`: unique in its service. */
  readonly name: string;
  readonly family: Family;
  readonly address: string;
  /** Undefined: the port that the client asked for. */
  readonly port: number | undefined;
  /** Share of new connections, relative to the service's other backends, 0 or more; 0 = drain. */
  readonly weight: number;
  /** Lower is preferred. */
  readonly tier: number;
  /** Its number inside the field of the backends, 1..max of the field; unique among all services. */
  readonly mark: number;
}

/** How the source of a service's connections is translated; an address means SNAT. */
export type ServiceSnat = 'auto' | 'none' | string;

/** One address in front of several servers. */
export interface Service {
  readonly name: string;
  readonly family: Family;
  /** The address that clients ask, in the form of RFC 5952. */
  readonly address: string;
  readonly proto: ServiceProto;
  /** Undefined for `any`. */
  readonly ports: PortRange | undefined;
  readonly snat: ServiceSnat;
  /** A built-in's name or alias, or a file; resolved by `loadStrategy`. */
  readonly strategy: string;
  /** Never empty, in the order of the configuration. */
  readonly backends: readonly Backend[];
}

/** `192.168.1.1:27017/tcp`, `[2001:db8::1]:8000-8100/udp`, `192.168.1.1/any`: what `listen=` takes. */
export function formatListen({ family, address, proto, ports }: Omit<Service, 'backends'>): string {
  if (ports === undefined) return `${address}/${proto}`;
  const range = ports.low === ports.high ? `${ports.low}` : `${ports.low}-${ports.high}`;
  return `${family === 6 ? `[${address}]` : address}:${range}/${proto}`;
}

/** A backend as a member of its service's pool; as a target it is named behind the service. */
export function backendMember(service: Service, backend: Backend): MemberParts<Backend> {
  return {
    target: { name: `${service.name}/${backend.name}`, families: [backend.family] },
    candidate: backend,
  };
}
