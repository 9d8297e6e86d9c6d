import { loadAddon } from '../../native.js';

/** This folder's part of the addon (native/js/route.h). Each function throws an Error with `errno`. */
interface RouteAddon {
  routeDump(type: number, body: Uint8Array): Uint8Array;
  routeDumpLater(type: number, body: Uint8Array): Promise<Uint8Array>;
  routeRequest(type: number, flags: number, body: Uint8Array): Uint8Array;
}

/**
 * The errors of asm-generic/errno.h that say that there is nothing of the kind: ENOENT for a routing table without any
 * routes, EAFNOSUPPORT for the rules of IPv6 where the kernel was booted without it (fib_nl_dumprule).
 */
const NOTHING = [2, 97];

/**
 * Everything of one kind, as the messages of one dump.
 * @param type RTM_GET* of linux/rtnetlink.h
 * @param body the header that the type wants; newer kernels filter by it
 * @throws Error with `errno`
 */
export function dump(type: number, body: Uint8Array): Uint8Array {
  try {
    return loadAddon<RouteAddon>().routeDump(type, body);
  } catch (error) {
    if (saysNothing(error)) return new Uint8Array(0);
    throw error;
  }
}

/**
 * As {@link dump}, but another thread waits for the kernel, which takes 20 ms to tell 15,000 routes.
 * @throws Error with `errno`
 */
export async function dumpLater(type: number, body: Uint8Array): Promise<Uint8Array> {
  try {
    return await loadAddon<RouteAddon>().routeDumpLater(type, body);
  } catch (error) {
    if (saysNothing(error)) return new Uint8Array(0);
    throw error;
  }
}

/**
 * The answer to one request; empty where the kernel only acknowledges it.
 * @param flags NLM_F_* of linux/netlink.h besides NLM_F_REQUEST
 * @throws Error with `errno`
 */
export function request(type: number, flags: number, body: Uint8Array): Uint8Array {
  return loadAddon<RouteAddon>().routeRequest(type, flags, body);
}

function saysNothing(error: unknown): boolean {
  return error instanceof Error && 'errno' in error && NOTHING.includes(error.errno as number);
}
