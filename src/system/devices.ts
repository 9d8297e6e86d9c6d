import { BlockList, isIPv6 } from 'node:net';
import { nearest } from '../config/nearest.js';
import type { Family } from '../core/family.js';
import type { Wan } from '../core/wan.js';
import { SystemError } from '../errors.js';
import { isInPath } from './executable.js';
import { isLinkLocal, readDevices, readLinks } from './links.js';
import { type Run, run as runCommand, SYSTEM_PATH } from './run.js';

interface IpRoute {
  readonly dst: string;
  readonly gateway?: string;
}

/** The questions to the machine; replace it in tests of pure logic. */
export interface Machine {
  /** Names of the devices of this network namespace; undefined where they cannot be read. */
  readonly devices: () => ReadonlySet<string> | undefined;
  /** Answers as {@link Links.reaches} does, without starting a program. */
  readonly reaches: (device: string, family: Family, address: string) => boolean;
  readonly run: Run;
}

const MACHINE: Machine = {
  devices: readDevices,
  reaches: (device, family, address) => readLinks().reaches(device, family, address),
  run: runCommand,
};

/**
 * The devices that do not exist: one line each, with the name that may be meant. A device may come later, as a modem's
 * does, so this is not certainly a mistake.
 */
export function missingDevices(
  wans: readonly Wan[],
  lan: readonly string[],
  { devices }: Pick<Machine, 'devices'> = MACHINE,
): string[] {
  const there = devices();
  if (there === undefined) return [];
  const names = [...there].filter((name) => name !== 'lo');
  const wanted = [
    ...wans.map((wan) => ({ what: `WAN "${wan.name}": device ${wan.dev}`, dev: wan.dev })),
    ...lan.map((dev) => ({ what: `--lan ${dev}`, dev })),
  ];
  return wanted
    .filter(({ dev }) => !names.includes(dev))
    .map(({ what, dev }) => {
      const meant = nearest(dev, names);
      const hint =
        meant === undefined ? `this machine has ${names.join(', ') || 'none'}` : `did you mean ${meant}?`;
      return `${what} does not exist yet; ${hint}`;
    });
}

/**
 * The gateways that are on none of their device's networks, one line each: the kernel refuses a route by such a gateway
 * ("Nexthop has invalid gateway"). A device without any network is down, which is not a mistake.
 *
 * `ip` is started only for a gateway that the kernel would refuse: it takes 5 ms of a start, and the daemon's thread
 * waits for it.
 */
export async function strayGateways(wans: readonly Wan[], machine: Machine = MACHINE): Promise<string[]> {
  const names = machine.devices();
  const there = wans.filter(({ dev }) => names === undefined || names.has(dev));
  const lines = there.flatMap((wan) => [stray(wan, wan.via, 4, machine), stray(wan, wan.via6, 6, machine)]);
  return (await Promise.all(lines)).filter((line) => line !== undefined);
}

async function stray(
  wan: Wan,
  via: string | undefined,
  family: Family,
  { reaches, run }: Machine,
): Promise<string | undefined> {
  if (via === undefined || via === 'dev' || via === 'auto') return undefined;
  // Every IPv6 device has the link-local network, whatever the tables say.
  if (family === 6 && isLinkLocal(via)) return undefined;
  if (reaches(wan.dev, family, via)) return undefined;
  const routes = (await ipJson(run, [
    `-${family}`,
    'route',
    'show',
    'table',
    'main',
    'dev',
    wan.dev,
  ])) as IpRoute[];
  const networks = routes.filter((route) => route.gateway === undefined && route.dst !== 'default');
  const direct = networks.map((route) => route.dst).filter((dst) => !/^fe80:/i.test(dst));
  if (direct.length === 0 || direct.some((dst) => contains(dst, via))) return undefined;
  return `WAN "${wan.name}": gateway ${via} is not on the network of ${wan.dev} (${direct.join(', ')}); correct via or dev`;
}

function contains(network: string, address: string): boolean {
  const family = isIPv6(address) ? 'ipv6' : 'ipv4';
  const [base = '', length] = network.split('/');
  const list = new BlockList();
  list.addSubnet(base, Number(length ?? (family === 'ipv6' ? 128 : 32)), family);
  return list.check(address, family);
}

async function ipJson(run: Run, args: string[]): Promise<unknown> {
  const { code, stdout, stderr } = await run(['ip', '-json', ...args]);
  if (code === 127) throw noIproute2();
  // `ip route show dev X` fails for a device that has just gone.
  if (code !== 0) throw new SystemError('IP_FAILED', `ip ${args.join(' ')} failed: ${stderr.trim()}`);
  return JSON.parse(stdout.trim() || '[]');
}

/** Checks that the daemon and the scripts will find `ip`. @throws SystemError */
export function checkIproute2(path: string = SYSTEM_PATH): void {
  if (!isInPath('ip', path)) throw noIproute2();
}

/** Checks that `ip` is the one of iproute2: busybox has another, without protocols of rules. @throws SystemError */
export async function checkIsIproute2(run: Run): Promise<void> {
  const { code, stdout, stderr } = await run(['ip', '-V']);
  if (code === 127) throw noIproute2();
  if (/iproute2/.test(stdout + stderr)) return;
  throw new SystemError(
    'NO_IPROUTE2',
    "ip is not the one of iproute2, which is needed (busybox's does not suffice); install it (Debian: apt-get install iproute2)",
  );
}

function noIproute2(): SystemError {
  return new SystemError('NO_IPROUTE2', 'ip is missing; install it (Debian: apt-get install iproute2)');
}
