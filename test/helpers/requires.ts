import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Looks for something that a test needs; returns what is missing and what to do, or undefined. */
export type Requirement = () => string | undefined;

const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;

function succeeds(argv: readonly string[]): boolean {
  const env = { ...process.env, PATH };
  return spawnSync(argv[0]!, argv.slice(1), { stdio: 'ignore', env }).status === 0;
}

/** Runs a shell script in private namespaces like those of a lab. */
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

/** Requires a program on the PATH. */
export function program(name: string): Requirement {
  return once(() =>
    succeeds(['sh', '-c', `command -v ${name}`]) ? undefined : `the program ${name}: install it`,
  );
}

/** Requires network namespaces, as root or in a user namespace. */
export const namespaces = once(() =>
  succeedsInside('ip link set lo up')
    ? undefined
    : 'network namespaces (unshare, ip): run as root, or allow user namespaces',
);

/** Requires real root: the kernel shows its table of queues to nobody else. */
export const root: Requirement = () => (process.geteuid?.() === 0 ? undefined : 'real root: run as root');

/** Requires NFQUEUE and its target in the kernel. */
export const nfqueue = once(
  () =>
    namespaces() ??
    (succeedsInside('iptables -t mangle -A PREROUTING -j NFQUEUE --queue-num 0 --queue-bypass')
      ? undefined
      : 'NFQUEUE in the kernel: modprobe nfnetlink_queue xt_NFQUEUE'),
);

/** Requires `queue` of nft in the kernel, which the queue of iptables is not. */
export const nftQueue = once(
  () =>
    namespaces() ??
    (succeedsInside('nft "add table t; add chain t c; add rule t c queue num 0 bypass"')
      ? undefined
      : "nft's queue in the kernel: modprobe nft_queue"),
);

/** Requires the old iptables beside the one of nftables. */
export const iptablesLegacy = once(
  () =>
    namespaces() ??
    (succeedsInside('iptables-legacy -t mangle -S')
      ? undefined
      : 'iptables-legacy: install iptables, modprobe iptable_mangle iptable_nat'),
);

/** Requires nftables with maps that rotate and hash, and its program. */
export const nftables = once(
  () =>
    namespaces() ??
    (succeedsInside(
      "nft 'table inet t { map m { typeof numgen inc mod 4 : verdict; }; chain c { numgen inc mod 4 vmap @m; }; }'",
    )
      ? undefined
      : 'nftables with maps and numgen: install nftables, modprobe nft_numgen nft_hash'),
);

/** Requires a way to list the connections of a namespace: the kernel's file or the program. */
export const conntrackTable = once(() =>
  existsSync('/proc/net/nf_conntrack') || program('conntrack')() === undefined
    ? undefined
    : '/proc/net/nf_conntrack, or the program conntrack: apt-get install conntrack',
);

/** Requires flowtables of nftables. */
export const flowtables = once(
  () =>
    namespaces() ??
    (succeedsInside(`ip link set lo up
      nft 'table inet t { flowtable f { hook ingress priority 0; devices = { lo }; }
        chain c { type filter hook forward priority 0; ip protocol tcp flow add @f; }; }'`)
      ? undefined
      : 'flowtables in the kernel: modprobe nf_flow_table nft_flow_offload'),
);

/** Requires a kernel whose helpers of conntrack are modules, and not built in. */
export const modules = once(() =>
  succeeds(['modprobe', '-n', 'nf_conntrack_sip']) && existsSync('/proc/modules')
    ? undefined
    : "modules of the kernel: a distribution's kernel, and kmod",
);

const PACKAGES = fileURLToPath(new URL('../packages/', import.meta.url));
const UNPACK = 'test/helpers/packages.sh dist-test/packages';

/** Requires one of the programs whose packages are unpacked, by its path there. */
export function unpacked(path: string): Requirement {
  return once(() => (existsSync(PACKAGES + path) ? undefined : `the unpacked program ${path}: ${UNPACK}`));
}

/** Requires the unpacked packages of programs that are tried beside wanmark, and what they need of the machine. */
export const packages = once(() => {
  if (!existsSync(`${PACKAGES}ready`)) return `the packages of other programs: ${UNPACK}`;
  return succeeds(['/usr/bin/python3', '-c', 'import dbus, gi'])
    ? undefined
    : 'what firewalld needs: apt-get install dbus python3-dbus python3-gi';
});

/** Requires TUN devices, also in a network namespace. */
export const tun = once(
  () =>
    namespaces() ??
    (succeedsInside('ip tuntap add dev tun0 mode tun')
      ? undefined
      : '/dev/net/tun for programs in a namespace: modprobe tun'),
);

/** Requires systemd, and what it needs to be a machine's first process in namespaces of its own. */
export const systemd = once(() => {
  if (!existsSync('/lib/systemd/systemd')) return 'systemd: apt-get install systemd';
  const script = `
    mount -t tmpfs t /mnt; mkdir /mnt/upper /mnt/work /mnt/root /mnt/cgroup
    mount -t overlay o -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
    mount -t cgroup2 c /mnt/cgroup; mkdir /mnt/cgroup/wanmark-$$; rmdir /mnt/cgroup/wanmark-$$`;
  return (
    root() ??
    (succeeds(['unshare', '-m', 'sh', '-ec', script])
      ? undefined
      : 'overlays, and control groups of version 2 that may be written, so that systemd can be booted')
  );
});

/** Requires a Debian machine with what our package depends on, and with systemd, which boots in namespaces there. */
export const debian = once(() =>
  succeeds(['dpkg-query', '-s', 'nodejs', 'iptables', 'iproute2', 'systemd', 'dpkg-dev', 'binutils'])
    ? undefined
    : "Debian's packages: apt-get install nodejs systemd dpkg-dev binutils",
);

/** Requires the built addon. */
export const addon = once(() =>
  existsSync(fileURLToPath(new URL('../../build/Release/nfqueue.node', import.meta.url)))
    ? undefined
    : 'the native addon: npm run build:native',
);

/**
 * Options of a test that cannot run everywhere: `test('...', needs(nfqueue), async () => ...)`. A missing requirement
 * makes a skip that names it.
 * @throws {Error} instead of a skip, with WANMARK_TEST_STRICT=1 as in CI
 */
export function needs(...requirements: readonly Requirement[]): { skip?: string } {
  const missing = requirements.map((requirement) => requirement()).filter((text) => text !== undefined);
  if (missing.length === 0) return {};
  const reason = `needs ${missing.join('; and ')}`;
  if (process.env.WANMARK_TEST_STRICT === '1') throw new Error(`${reason} (WANMARK_TEST_STRICT is set)`);
  return { skip: reason };
}
