import { readFileSync } from 'node:fs';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';

/** What the kernel says of a device: whether packets can leave by it. */
export type LinkState = 'up' | 'gone' | 'switched off' | 'without carrier';

/** An address of a device. */
export type LinkAddress = Pick<NetworkInterfaceInfo, 'address' | 'netmask' | 'family'>;

/** All devices at one moment. Read without starting a program: what died must be known within milliseconds. */
export interface Links {
  state(device: string): LinkState;
  /** Of one family; none while the device is not up. */
  addresses(device: string, family: 4 | 6): readonly LinkAddress[];
}

const IFF_UP = 1;

/** Takes a fraction of a millisecond. */
export function readLinks(): Links {
  const devices = readDevices();
  const interfaces = readInterfaces();
  return {
    state: (device) => (devices === undefined || devices.has(device) ? stateOf(device) : 'gone'),
    addresses: (device, family) =>
      (interfaces[device] ?? []).filter((address) => address.family === `IPv${family}`),
  };
}

/** The namespace's own devices, whichever namespace /sys was mounted in; undefined where they cannot be read. */
function readDevices(): ReadonlySet<string> | undefined {
  try {
    // "  eth0: 123 ..." below two lines of heading; a name has no colon and no blank (dev_valid_name).
    const lines = readFileSync('/proc/net/dev', 'utf8').split('\n').slice(2);
    return new Set(lines.map((line) => line.trim().split(':', 1)[0]!));
  } catch {
    return undefined;
  }
}

/** By RFC 2863's states: a device without carrier detection is `unknown`, and up. */
function stateOf(device: string): LinkState {
  try {
    const read = (file: string) => readFileSync(`/sys/class/net/${device}/${file}`, 'utf8').trim();
    if ((Number(read('flags')) & IFF_UP) === 0) return 'switched off';
    const state = read('operstate');
    return state === 'up' || state === 'unknown' ? 'up' : 'without carrier';
  } catch {
    // Not to be known; nobody is called dead for that.
    return 'up';
  }
}

function readInterfaces(): NodeJS.Dict<NetworkInterfaceInfo[]> {
  try {
    return networkInterfaces();
  } catch {
    return {};
  }
}
