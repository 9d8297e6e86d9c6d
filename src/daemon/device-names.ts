import { readdirSync, readFileSync } from 'node:fs';

import { printable } from '../core/printable.js';

/**
 * Device names by interface index. An unknown index, as of a new device, makes it read the names again, at most once
 * for each index: one that stays unknown is shown as its number.
 */
export class DeviceNames {
  readonly #names = new Map<number, string>();
  readonly #read: () => Iterable<readonly [number, string]>;

  /** @param read the devices of this moment; may throw, as where no descriptor is left */
  constructor(read = readDevices) {
    this.#read = read;
  }

  /** Never throws, since a decision waits for it. */
  name(ifindex: number): string {
    const known = this.#names.get(ifindex);
    if (known !== undefined) return known;
    try {
      for (const [index, name] of this.#read()) this.#names.set(index, printable(name));
    } catch {
      return String(ifindex);
    }
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
      // The device went between the two calls, or this is a file such as bonding_masters.
    }
  }
  return devices;
}
