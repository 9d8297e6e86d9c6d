import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Looks for something a test cannot do without; says what is missing and what to do, or nothing. */
export type Requirement = () => string | undefined;

const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;

function succeeds(argv: readonly string[]): boolean {
  const env = { ...process.env, PATH };
  return spawnSync(argv[0]!, argv.slice(1), { stdio: 'ignore', env }).status === 0;
}

/** Runs shell in private namespaces, as a lab does. */
function succeedsInside(script: string): boolean {
  const user = process.geteuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  return succeeds(['unshare', ...user, '-n', '-m', 'sh', '-ec', `mount -t tmpfs lab /run\n${script}`]);
}

function once(requirement: Requirement): Requirement {
  let found: { readonly missing: string | undefined } | undefined;
  return () => {
    found ??= { missing: requirement() };
    return found.missing;
  };
}

/** A program on the PATH. */
export function program(name: string): Requirement {
  return once(() =>
    succeeds(['sh', '-c', `command -v ${name}`]) ? undefined : `the program ${name}: install it`,
  );
}

/** Network namespaces: as root, or in a user namespace. */
export const namespaces = once(() =>
  succeedsInside('ip link set lo up')
    ? undefined
    : 'network namespaces (unshare, ip): run as root, or allow user namespaces',
);

/** Real root: the kernel shows its tables of queues to nobody else. */
export const root: Requirement = () => (process.geteuid?.() === 0 ? undefined : 'real root: run as root');

/** A queue, and a rule that feeds it. */
export const nfqueue = once(
  () =>
    namespaces() ??
    (succeedsInside('iptables -t mangle -A PREROUTING -j NFQUEUE --queue-num 0 --queue-bypass')
      ? undefined
      : 'NFQUEUE in the kernel: modprobe nfnetlink_queue xt_NFQUEUE'),
);

/** The old iptables beside the one of nftables. */
export const iptablesLegacy = once(
  () =>
    namespaces() ??
    (succeedsInside('iptables-legacy -t mangle -S')
      ? undefined
      : 'iptables-legacy: install iptables, modprobe iptable_mangle iptable_nat'),
);

/** The connection table of a namespace, in either form. */
export const conntrackTable = once(() =>
  existsSync('/proc/net/nf_conntrack') || program('conntrack')() === undefined
    ? undefined
    : '/proc/net/nf_conntrack, or the program conntrack: apt-get install conntrack',
);

/** The addon. */
export const addon = once(() =>
  existsSync(fileURLToPath(new URL('../../build/Release/nfqueue.node', import.meta.url)))
    ? undefined
    : 'the native addon: npm run build:native',
);

/**
 * Options of a test that cannot run everywhere: `test('...', needs(nfqueue), async () => ...)`. What is missing
 * becomes a skip that names it, or with WANMARK_TEST_STRICT=1, as in CI, a failure.
 * @throws {Error} the failure
 */
export function needs(...requirements: readonly Requirement[]): { skip?: string } {
  const missing = requirements.map((requirement) => requirement()).filter((text) => text !== undefined);
  if (missing.length === 0) return {};
  const reason = `needs ${missing.join('; and ')}`;
  if (process.env.WANMARK_TEST_STRICT === '1') throw new Error(`${reason} (WANMARK_TEST_STRICT is set)`);
  return { skip: reason };
}
