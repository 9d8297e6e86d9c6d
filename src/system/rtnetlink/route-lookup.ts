import { parseAddress } from '../../core/address.js';
import type { Family } from '../../core/family.js';
import { attribute, numberValue } from './attributes.js';
import { ADDRESS_FAMILY, LITTLE_ENDIAN } from './messages.js';
import {
  dumpMain,
  parseRoutes,
  type Route,
  RTA_DST,
  RTA_OIF,
  RTM_GETROUTE,
  RTMSG_BYTES,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_UNICAST,
  RTN_UNREACHABLE,
} from './routes.js';
import { request } from './socket.js';

/** A flag of linux/rtnetlink.h, since Linux 4.13: the answer is the table's route, not the way of a packet. */
const RTM_F_FIB_MATCH = 0x2000;

/**
 * The route by which the kernel would send a packet to `address`: `ip route get fibmatch ADDRESS [oif DEVICE]`.
 * @param address in the form of {@link parseAddress}
 * @param index the number of the device that the packet has to leave by; undefined: any device
 * @returns undefined when there is no way, or the route forbids it
 */
export function lookupRoute(family: Family, address: string, index?: number): Route | undefined {
  const header = new Uint8Array(RTMSG_BYTES);
  const destination = parseAddress(address);
  header[0] = ADDRESS_FAMILY[family];
  header[1] = 8 * destination.length;
  new DataView(header.buffer).setUint32(8, RTM_F_FIB_MATCH, LITTLE_ENDIAN);
  const parts = [header, attribute(RTA_DST, destination)];
  if (index !== undefined) parts.push(attribute(RTA_OIF, numberValue(index)));
  try {
    return parseRoutes(request(RTM_GETROUTE, 0, Buffer.concat(parts)), { family })[0];
  } catch (error) {
    // ENETUNREACH, EHOSTUNREACH, EACCES and EINVAL come from the route's type; ENODEV means that the device has gone.
    if (error instanceof Error && 'errno' in error) return undefined;
    throw error;
  }
}

/**
 * Whether a route makes its destination a neighbour by a device, as the gateway of another route has to be: it is more
 * than a default route, leads by that device alone and has no gateway itself.
 */
export function isOnLink(route: Route | undefined, index: number): boolean {
  if (route === undefined || route.dst === 'default' || route.hops.length !== 1) return false;
  if ([RTN_LOCAL, RTN_BROADCAST, RTN_UNREACHABLE].includes(route.type)) return false;
  const hop = route.hops[0]!;
  return hop.index === index && hop.gateway === undefined && !hop.foreign;
}

/**
 * Whether an address is a neighbour by a device, as the gateway of a route by that device has to be. An ip rule of
 * somebody else for the device (`oif wan1 lookup 100`) may answer a look-up before main does, but makes no neighbour a
 * stranger: where the look-up finds none, main's own routes by the device say so.
 * @throws Error with `errno`
 */
export function reachesDirectly(family: Family, address: string, index: number): boolean {
  const found = lookupRoute(family, address, index);
  if (isOnLink(found, index)) return true;
  if (found !== undefined && [RTN_LOCAL, RTN_BROADCAST].includes(found.type)) return false;
  const bytes = parseAddress(address);
  return dumpMain({ family, device: index }).some(
    (route) => route.type === RTN_UNICAST && isOnLink(route, index) && isWithin(bytes, route.dst),
  );
}

/** Whether an address is in a network, as the kernel prints it. */
function isWithin(address: Uint8Array, network: string): boolean {
  const [base = '', length] = network.split('/');
  const prefix = parseAddress(base);
  const bits = length === undefined ? 8 * prefix.length : Number(length);
  return prefix.every((byte, i) => {
    const asked = Math.min(Math.max(bits - 8 * i, 0), 8);
    return ((byte ^ address[i]!) & (0xff00 >> asked) & 0xff) === 0;
  });
}
