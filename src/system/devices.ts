import { BlockList, isIPv6 } from 'node:net';
import { nearest } from '../config/nearest.js';
import type { Wan } from '../core/wan.js';
import { SystemError } from '../errors.js';
import { type Run, run as runCommand } from './run.js';

interface IpRoute {
  readonly dst: string;
  readonly gateway?: string;
}

/** Names of the devices of this network namespace. @throws SystemError without iproute2 */
async function listDevices(run: Run): Promise<readonly string[]> {
  const links = (await ipJson(run, ['link', 'show'])) as { ifname: string }[];
  return links.map((link) => link.ifname);
}

/**
 * Devices that are not there: a line for each, with the name that may be meant. It may come later, as that of a modem
 * does, so it is no mistake for certain.
 */
export async function missingDevices(
  wans: readonly Wan[],
  lan: readonly string[],
  run: Run = runCommand,
): Promise<string[]> {
  const names = (await listDevices(run)).filter((name) => name !== 'lo');
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
 * Gateways that are on none of their device's networks, a line for each: the kernel refuses a route by such a one
 * ("Nexthop has invalid gateway"). A device without any network is down, which is no mistake.
 */
export async function strayGateways(wans: readonly Wan[], run: Run = runCommand): Promise<string[]> {
  const names = await listDevices(run);
  const there = wans.filter(({ dev }) => names.includes(dev));
  const lines = there.flatMap((wan) => [stray(wan, wan.via, '-4', run), stray(wan, wan.via6, '-6', run)]);
  return (await Promise.all(lines)).filter((line) => line !== undefined);
}

async function stray(
  wan: Wan,
  via: string | undefined,
  family: '-4' | '-6',
  run: Run,
): Promise<string | undefined> {
  if (via === undefined || via === 'dev' || via === 'auto') return undefined;
  // Every IPv6 device has the link-local network, whatever the tables say.
  if (family === '-6' && /^fe[89ab]/i.test(via)) return undefined;
  const routes = (await ipJson(run, [family, 'route', 'show', 'table', 'main', 'dev', wan.dev])) as IpRoute[];
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
  if (code === 127)
    throw new SystemError('NO_IPROUTE2', 'ip is missing; install it (Debian: apt-get install iproute2)');
  // `ip route show dev X` of a device that has just gone.
  if (code !== 0) throw new SystemError('IP_FAILED', `ip ${args.join(' ')} failed: ${stderr.trim()}`);
  return JSON.parse(stdout.trim() || '[]');
}
