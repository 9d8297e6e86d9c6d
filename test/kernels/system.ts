/** Debian systems that kernel tests run in: unpacked from Debian's packages, never installed on the machine. */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unpackKernel } from './kernel-image.js';

/** The root of the checkout. */
export const CHECKOUT = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '');
const FOLDER = join(CHECKOUT, 'build/kernels');

/** A release of Debian, by its number. */
export interface Release {
  readonly name: string;
  readonly suite: string;
  /** The series of its kernel. */
  readonly kernel: string;
  /** Whether its own Node can run wanmark; otherwise it gets the one that runs this. */
  readonly hasNode: boolean;
}

export const RELEASES: readonly Release[] = [
  { name: 'Debian 12', suite: 'bookworm', kernel: '6.1', hasNode: false },
  { name: 'Debian 13', suite: 'trixie', kernel: '6.12', hasNode: true },
];

/** The kernel, what every Debian machine has, and what tests use. */
const PACKAGES = [
  ...[
    'linux-image-amd64',
    'kmod',
    'base-files',
    'bash',
    'coreutils',
    'dash',
    'diffutils',
    'findutils',
    'grep',
    'gzip',
  ],
  ...[
    'hostname',
    'libc-bin',
    'mawk',
    'mount',
    'perl-base',
    'procps',
    'sed',
    'tar',
    'util-linux',
    'libstdc++6',
    'busybox',
  ],
  ...[
    'iproute2',
    'iptables',
    'nftables',
    'conntrack',
    'ipset',
    'iputils-ping',
    'ppp',
    'python3-minimal',
    'wireguard-tools',
  ],
];

const MERGED_USR = '--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr';

/** What the initial file system loads, before it sees anything of the system. */
const BOOT_MODULES = ['virtio_pci', 'virtio_console', '9pnet_virtio', '9p', 'overlay'];

/** A system that is ready to be booted. */
export interface System {
  readonly root: string;
  /** The kernel without its compression. */
  readonly kernel: string;
  readonly initrd: string;
}

/** Unpacks the system, unless it has been before, and makes its initial file system. Needs root and mmdebstrap. */
export function prepareSystem(release: Release): System {
  const root = join(FOLDER, release.suite);
  const packages = [...PACKAGES, ...(release.hasNode ? ['nodejs'] : [])].join(',');
  const unpacked = `${root}.packages`;
  if (!existsSync(unpacked) || readFileSync(unpacked, 'utf8') !== packages) {
    rmSync(unpacked, { force: true });
    rmSync(root, { recursive: true, force: true });
    mkdirSync(FOLDER, { recursive: true });
    // `extract` runs nothing of the packages, so no kernel is set up and no daemon is started. Those of Debian 12 still have
    // files in /bin and /lib.
    const how = [
      '--variant=extract',
      '--architectures=amd64',
      '--format=directory',
      MERGED_USR,
      `--include=${packages}`,
    ];
    execFileSync('mmdebstrap', ['--quiet', ...how, release.suite, root], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    complete(root);
    writeFileSync(unpacked, packages);
  }
  if (!release.hasNode) {
    mkdirSync(join(root, 'usr/local/bin'), { recursive: true });
    copyFileSync(process.execPath, join(root, 'usr/local/bin/node'));
  }
  const initrd = join(FOLDER, `${release.suite}.initrd`);
  makeInitrd(root, initrd);
  return { root, kernel: join(root, 'boot/vmlinux'), initrd };
}

function versionOf(root: string): string {
  const [version] = readdirSync(join(root, 'usr/lib/modules'));
  return version!;
}

/** Makes what the packages' own scripts would have made. */
function complete(root: string): void {
  const version = versionOf(root);
  // Decompressed once here, and not in emulation at each load.
  const modules = join(root, 'usr/lib/modules', version);
  execFileSync('find', [modules, '-name', '*.ko.xz', '-exec', 'unxz', '{}', '+']);
  execFileSync('/sbin/depmod', ['-b', root, version]);
  const boot = join(root, 'boot');
  writeFileSync(join(boot, 'vmlinux'), unpackKernel(readFileSync(join(boot, `vmlinuz-${version}`))));
  writeFileSync(
    join(root, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n',
  );
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n');
  writeFileSync(join(root, 'etc/hosts'), '127.0.0.1 localhost\n::1 localhost\n');
  symlinkSync('mawk', join(root, 'usr/bin/awk'));
  rmSync(join(root, 'usr/bin/sh'), { force: true });
  symlinkSync('dash', join(root, 'usr/bin/sh'));
}

/** The initial file system: busybox, the modules in the order of their loading, and boot.sh. */
function makeInitrd(root: string, path: string): void {
  const tree = `${path}.d`;
  rmSync(tree, { recursive: true, force: true });
  for (const folder of ['bin', 'lib', 'lib64', 'modules']) mkdirSync(join(tree, folder), { recursive: true });
  copyFileSync(join(root, 'usr/bin/busybox'), join(tree, 'bin/busybox'));
  const libraries = join(root, 'usr/lib/x86_64-linux-gnu');
  for (const name of ['libc.so.6', 'libresolv.so.2'])
    copyFileSync(join(libraries, name), join(tree, 'lib', name));
  copyFileSync(join(libraries, 'ld-linux-x86-64.so.2'), join(tree, 'lib64/ld-linux-x86-64.so.2'));
  const argv = ['-d', root, '-S', versionOf(root), '--show-depends', '-a', ...BOOT_MODULES];
  const order = new Set<string>();
  for (const line of execFileSync('/sbin/modprobe', argv, { encoding: 'utf8' }).split('\n')) {
    // `insmod PATH`; what is built in is a line of another kind.
    const [verb, module] = line.split(' ');
    if (verb !== 'insmod') continue;
    copyFileSync(module!, join(tree, 'modules', basename(module!)));
    order.add(`/modules/${basename(module!)}`);
  }
  writeFileSync(join(tree, 'modules/order'), [...order, ''].join('\n'));
  writeFileSync(join(tree, 'checkout-path'), `${CHECKOUT}\n`);
  const script = readFileSync(join(CHECKOUT, 'test/kernels/boot.sh'), 'utf8');
  writeFileSync(join(tree, 'init'), script.replace(/^#!.*/, '#!/bin/busybox sh'), { mode: 0o755 });
  const archive = execFileSync('sh', ['-c', 'find . | busybox cpio -o -H newc 2>/dev/null'], {
    cwd: tree,
    maxBuffer: 1 << 28,
  });
  writeFileSync(path, archive);
  rmSync(tree, { recursive: true });
}
