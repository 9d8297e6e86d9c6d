import type { Family } from '../core/family.js';

/** A network device at one moment. */
export interface Device {
  /** The kernel's number, by which a device that went and came back is known. */
  readonly index: number;
  /** Whether it is switched on (IFF_UP); says nothing about its carrier. */
  readonly up: boolean;
  /** A device that needs no gateway (IFF_POINTOPOINT). */
  readonly pointToPoint: boolean;
}

/** One way of a route. */
export interface Way {
  /** Empty where the route has none, as a blackhole. */
  readonly dev: string;
  /** The gateway; undefined: directly by the device. */
  readonly via: string | undefined;
  /** The kernel does not use it at the moment (RTNH_F_DEAD), or its gateway is of the other family (RTA_VIA). */
  readonly unusable: boolean;
}

/** A route of the main table. */
export interface MainRoute {
  /** `default`, or a network as `ip` prints it: `10.0.0.0/8`, `172.16.5.4`, `fd00::/8`. */
  readonly dst: string;
  /** RTN_THROW: asks the next table, so it is not a destination. */
  readonly isThrow: boolean;
  readonly metric: number;
  readonly ways: readonly Way[];
}

/** An address of global scope. */
export interface Address {
  readonly dev: string;
  /** With its prefix length: `192.0.2.2/24`; of a point-to-point address that of the far end, as `ip` prints the local one. */
  readonly address: string;
}

/** What the machine has at one moment, as far as a plan depends on it. Plain data, so that a plan can be made anywhere. */
export interface Facts {
  /** By name. */
  readonly devices: ReadonlyMap<string, Device>;
  /** In the kernel's order. */
  readonly main: Readonly<Record<Family, readonly MainRoute[]>>;
  /** In the kernel's order. */
  readonly addresses: Readonly<Record<Family, readonly Address[]>>;
  /** Gateways that their device reaches directly, as `DEV ADDRESS` (see {@link neighbourKey}). */
  readonly onLink: ReadonlySet<string>;
  /** MAC addresses of gateways on shared devices, by the same key; only what is known. */
  readonly macs: ReadonlyMap<string, string>;
  /** The network that the main table's route to a backend is for, by the backend's address; the address itself where that is the default route or none. */
  readonly networks: ReadonlyMap<string, string>;
}

/** The key of a neighbour by a device. */
export function neighbourKey(dev: string, address: string): string {
  return `${dev} ${address}`;
}
