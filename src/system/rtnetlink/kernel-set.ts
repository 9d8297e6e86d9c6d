import { parseAddress } from '../../core/address.js';
import { attribute } from './attributes.js';
import { ADD, bigEndian, CIDR, DELETE, IP, Ipset, MAXELEM, NET_BYTEORDER } from './ipset.js';

/** A full BGP table has a million networks; the kernel takes memory for those that are there. */
const MOST_NETWORKS = 2 ** 22;

/** A set of networks (ipset's `hash:net`). Kernels without CONFIG_IP_SET_HASH_NET refuse everything. */
export class KernelSet extends Ipset {
  create(): void {
    this.createAs('hash:net', 0, [attribute(MAXELEM | NET_BYTEORDER, bigEndian(MOST_NETWORKS))]);
  }

  /**
   * The networks in it, as `ip route` writes them: `10.0.0.0/8`, `172.16.5.4`. @returns undefined where there is no such
   * set
   * @throws Error with `errno`
   */
  networks(): Set<string> | undefined {
    const networks = new Set<string>();
    const most = this.family === 4 ? 32 : 128;
    let address = '';
    let length = most;
    const isThere = this.read(
      (type, view, start, end) => {
        if (type === CIDR) length = view.getUint8(start);
        if (type === IP) address = this.addressIn(view, start, end);
      },
      () => {
        networks.add(length === most ? address : `${address}/${length}`);
        length = most;
      },
    );
    return isThere ? networks : undefined;
  }

  /** Adds networks; those that are there already stay. @throws Error with `errno` */
  add(networks: readonly string[]): void {
    this.change(
      ADD,
      networks.map((network) => this.#element(network)),
    );
  }

  /** Takes networks out; those that are not there are no error. @throws Error with `errno` */
  delete(networks: readonly string[]): void {
    this.change(
      DELETE,
      networks.map((network) => this.#element(network)),
    );
  }

  /**
   * Whether an address is in the set, which anybody may have made; undefined where there is no such set, or one of
   * another family.
   */
  has(address: string): boolean | undefined {
    return this.test(this.#element(address));
  }

  #element(network: string): Uint8Array[] {
    const [address = '', length] = network.split('/');
    const bits = length === undefined ? 8 * parseAddress(address).length : Number(length);
    return [this.address(IP, address), attribute(CIDR, Uint8Array.of(bits))];
  }
}
