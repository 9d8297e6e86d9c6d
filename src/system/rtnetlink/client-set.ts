import { MOST_CLIENTS } from '../../core/stickiness.js';
import { attribute } from './attributes.js';
import { ADD, bigEndian, DELETE, IP, Ipset, MAXELEM, NET_BYTEORDER, NETMASK, TIMEOUT } from './ipset.js';

/** Twice what the daemon remembers, so that what it forgets before its time is gone before the set is full. */
const MOST_IN_SET = 2 * MOST_CLIENTS;
/** A set has a time only if it is made with one; each element comes with its own. */
const ANY_SECONDS = 600;
/** The IPv6 network in which a client changes its address. */
const NETWORK_BITS = 64;

/** A client in a set, and for how many seconds it stays. */
export interface TimedClient {
  /** An IPv4 address, or the first of an IPv6 network /64. */
  readonly client: string;
  readonly seconds: number;
}

/**
 * A set of clients that leave it by themselves (ipset's `hash:ip` with timeouts), which rules may fill as well. Kernels
 * without CONFIG_IP_SET_HASH_IP refuse everything.
 */
export class ClientSet extends Ipset {
  create(): void {
    this.createAs('hash:ip', 0, [
      attribute(MAXELEM | NET_BYTEORDER, bigEndian(MOST_IN_SET)),
      attribute(TIMEOUT | NET_BYTEORDER, bigEndian(ANY_SECONDS)),
      ...(this.family === 6 ? [attribute(NETMASK, Uint8Array.of(NETWORK_BITS))] : []),
    ]);
  }

  /** The clients that are in the set; none where there is no such set. @throws Error with `errno` */
  clients(): TimedClient[] {
    const clients: TimedClient[] = [];
    let client = '';
    let seconds = 0;
    this.read(
      (type, view, start, end) => {
        if (type === IP) client = this.addressIn(view, start, end);
        if (type === TIMEOUT) seconds = view.getUint32(start);
      },
      () => clients.push({ client, seconds }),
    );
    return clients;
  }

  /** Adds clients; the time of one that is there begins anew. @throws Error with `errno` */
  add(clients: readonly TimedClient[]): void {
    this.change(
      ADD,
      clients.map(({ client, seconds }) => [
        this.address(IP, client),
        attribute(TIMEOUT | NET_BYTEORDER, bigEndian(seconds)),
      ]),
    );
  }

  /** Takes clients out; those that are not there are no error. @throws Error with `errno` */
  delete(clients: readonly string[]): void {
    this.change(
      DELETE,
      clients.map((client) => [this.address(IP, client)]),
    );
  }
}
