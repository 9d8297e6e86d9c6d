import { readdirSync, readFileSync } from 'node:fs';

/**
 * Device names by interface index, read again when an unknown index comes, which happens when a device is new.
 * At most one reading per unknown index: an index that stays unknown is remembered as its number.
 */
export class DeviceNames {
  readonly #names = new Map<number, string>();

  name(ifindex: number): string {
    const known = this.#names.get(ifindex);
    if (known !== undefined) return known;
    for (const [index, name] of readDevices()) this.#names.set(index, name);
    if (!this.#names.has(ifindex)) this.#names.set(ifindex, String(ifindex));
    return this.#names.get(ifindex)!;
  }
}

function readDevices(): [number, string][] {
  const devices: [number, string][] = [];
  for (const name of readdirSync('/sys/class/net')) {
    try {
      devices.push([Number(readFileSync(`/sys/class/net/${name}/ifindex`, 'utf8')), name]);
    } catch {
      // It went between the two calls, or is a file such as bonding_masters.
    }
  }
  return devices;
}
