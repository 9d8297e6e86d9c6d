import { BlockList, isIPv6 } from 'node:net';
import type { Wan } from '../core/wan.js';
import { SystemError, UsageError } from '../errors.js';
import { type Run, run as runCommand } from './run.js';

interface IpRoute {
  readonly dst: string;
  readonly gateway?: string;
}

/** A network device: its name and the index that packets carry. */
export interface Device {
  readonly name: string;
  readonly ifindex: number;
}

/** The devices of this network namespace. @throws SystemError without iproute2 */
export async function listDevices(run: Run = runCommand): Promise<readonly Device[]> {
  const links = (await ipJson(run, ['link', 'show'])) as { ifname: string; ifindex: number }[];
  return links.map((link) => ({ name: link.ifname, ifindex: link.ifindex }));
}

/**
 * Checks that each WAN's device exists and its gateways are on the device's own networks: the kernel refuses a
 * route by any other ("Nexthop has invalid gateway"). A device without any network is down, which is no mistake.
 * @throws UsageError
 */
export async function checkDevices(
  wans: readonly Wan[],
  lan: readonly string[],
  run: Run = runCommand,
): Promise<void> {
  const names = (await listDevices(run)).map((device) => device.name);
  const known = names.filter((name) => name !== 'lo').join(', ') || 'none';
  for (const wan of wans) {
    // With `auto` it may come later, as a modem does.
    const later = wan.via === 'auto' || wan.via6 === 'auto';
    if (!later && !names.includes(wan.dev)) {
      throw new UsageError(`WAN "${wan.name}": device ${wan.dev} does not exist; this machine has ${known}`);
    }
  }
  for (const dev of lan) {
    if (!names.includes(dev)) throw new UsageError(`--lan ${dev} does not exist; this machine has ${known}`);
  }
  for (const wan of wans) {
    await checkGateway(wan, wan.via, '-4', run);
    await checkGateway(wan, wan.via6, '-6', run);
  }
}

async function checkGateway(wan: Wan, via: string | undefined, family: '-4' | '-6', run: Run): Promise<void> {
  if (via === undefined || via === 'dev' || via === 'auto') return;
  // Every IPv6 device has the link-local network, whatever the tables say.
  if (family === '-6' && /^fe[89ab]/i.test(via)) return;
  const routes = (await ipJson(run, [family, 'route', 'show', 'table', 'main', 'dev', wan.dev])) as IpRoute[];
  const networks = routes.filter((route) => route.gateway === undefined && route.dst !== 'default');
  const direct = networks.map((route) => route.dst).filter((dst) => !/^fe80:/i.test(dst));
  if (direct.length === 0) return;
  if (direct.some((dst) => contains(dst, via))) return;
  throw new UsageError(
    `WAN "${wan.name}": gateway ${via} is not on the network of ${wan.dev} (${direct.join(', ')}); correct via or dev`,
  );
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
