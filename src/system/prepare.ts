import { existsSync, readFileSync } from 'node:fs';
import type { Config, PlanConfig } from '../config/config.js';
import { servedFamilies } from '../config/served.js';
import type { Family } from '../core/family.js';
import { carries } from '../core/wan.js';
import { SystemError, UsageError } from '../errors.js';
import { PROTOCOL } from '../plan/render/ip.js';
import { chooseFirewall } from './backend.js';
import { checkIproute2, checkIsIproute2 } from './devices.js';
import type { Firewall } from './firewall.js';
import { needNetAdmin } from './privilege.js';
import { holdsForeign } from './rtnetlink/routes.js';
import { type Run, run as runCommand } from './run.js';

const FORWARDING: Readonly<Record<Family, readonly [setting: string, file: string]>> = {
  4: ['net.ipv4.ip_forward', 'ipv4/ip_forward'],
  6: ['net.ipv6.conf.all.forwarding', 'ipv6/conf/all/forwarding'],
};

/**
 * Checks whether the machine is ready for a first `up` of this configuration; changes nothing.
 * @param warn told of likely mistakes
 * @throws UsageError when a routing table belongs to somebody else, SystemError when a program is missing
 */
export async function prepareHost(
  config: PlanConfig,
  warn: (line: string) => void,
  run: Run = runCommand,
): Promise<Firewall> {
  needNetAdmin();
  checkIproute2();
  await checkIsIproute2(run);
  rejectMissingIpv6(config);
  const families = servedFamilies(config);
  const firewall = await chooseFirewall(config, families, run);
  for (const family of families) {
    await rejectTakenTables(config, family, run);
    warnOfForwarding(family, warn);
  }
  await warnOfWholeAddresses(config, warn, run);
  return firewall;
}

type Served = Pick<Config, 'wans' | 'services' | 'policies'>;

/** Rejects IPv6 on a kernel without it (`ipv6.disable=1`, or no module): its iptables and routes fail one after another. */
function rejectMissingIpv6(config: Served): void {
  if (!servedFamilies(config).includes(6) || existsSync('/proc/sys/net/ipv6')) return;
  throw new UsageError(
    'this kernel runs without IPv6 (is ipv6.disable=1 on its command line?); leave out via6, services with IPv6 addresses and rules for IPv6',
  );
}

/** Rejects our routing tables when somebody else has routes in them. */
async function rejectTakenTables(
  config: Pick<Config, 'wans' | 'rules'>,
  family: Family,
  run: Run,
): Promise<void> {
  const line = await takenTable(config, family, run);
  if (line !== undefined) throw new UsageError(line);
}

/**
 * The first of our routing tables in which somebody else has a route, as a line with what to do; undefined where there is none.
 * @throws SystemError when the table cannot be read
 */
export async function takenTable(
  { wans, rules }: Pick<Config, 'wans' | 'rules'>,
  family: Family,
  run: Run = runCommand,
): Promise<string | undefined> {
  const tables = wans.filter((wan) => carries(wan, family)).map(({ mark }) => rules.table + mark);
  // Without a program, since there may be hundreds of tables; the one that is taken is shown as `ip` prints it.
  const taken = tables.find((table) => holdsForeign(family, table, PROTOCOL));
  if (taken === undefined) return undefined;
  const stdout = await routesIn(taken, family, run);
  const line = stdout
    .split('\n')
    .find((one) => one !== '' && !new RegExp(` proto ${PROTOCOL}( |$)`).test(one));
  if (line === undefined) return undefined;
  return `table ${taken} holds another's route (${line.trim()}); use --table N with a free range`;
}

/** The routes of a table as text; empty where there is no such table. @throws SystemError when it cannot be read */
async function routesIn(table: number, family: Family, run: Run): Promise<string> {
  const argv = ['ip', '-N', `-${family}`, 'route', 'show', 'table', String(table)] as const;
  const { code, stdout, stderr } = await run(argv);
  // What cannot be read must not be taken for empty.
  if (code !== 0 && !stderr.includes('FIB table does not exist')) {
    throw new SystemError('IP_FAILED', `'${argv.join(' ')}' failed: ${stderr.trim().split('\n', 1)[0]}`);
  }
  return stdout;
}

function warnOfForwarding(family: Family, warn: (line: string) => void): void {
  const [setting, file] = FORWARDING[family];
  if (readSetting(file) === '0') warn(`${setting} is 0, so nothing is forwarded; sysctl -w ${setting}=1`);
}

function readSetting(file: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/net/${file}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** Warns of a service on all ports of the router's own address, since it also takes SSH to the router. */
async function warnOfWholeAddresses(
  { services }: Pick<Config, 'services'>,
  warn: (line: string) => void,
  run: Run,
): Promise<void> {
  const isLocal = async (family: Family, address: string) =>
    (await run(['ip', '-N', `-${family}`, 'route', 'get', address])).stdout.startsWith('local');
  for (const { name, family, address, device, proto } of services) {
    if (proto !== 'any') continue;
    if (address !== undefined && !(await isLocal(family, address))) continue;
    warn(
      `service ${name} takes all that comes to ${address ?? `the addresses of ${device}`}, so this machine's own programs are no longer reached there`,
    );
  }
}
