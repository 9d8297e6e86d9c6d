import { execFileSync } from 'node:child_process';

/** The libc's own libraries. libc.so is musl's, by the name that the linker gives it; musl's loader takes it as itself. */
const LIBRARIES = {
  glibc: /^(lib(c|m|dl|pthread|rt)\.so\.\d|ld-linux-(x86-64|aarch64)\.so\.\d)$/,
  musl: /^libc\.so$/,
};

/** The glibc of the oldest system that an addon must load on, Debian 11. */
const OLDEST_GLIBC = [2, 31] as const;

function isNewer(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > OLDEST_GLIBC[0] || (major === OLDEST_GLIBC[0] && minor > OLDEST_GLIBC[1]);
}

/**
 * Looks into a prebuilt addon, of whatever processor, with readelf(1).
 * @param target as its folder is called, such as linux-arm64-musl
 * @returns a line for each thing that keeps it from loading on a system that it is meant for
 */
export function examineAddon(path: string, target: string): string[] {
  const [, arch, libc] = target.split('-') as [string, 'x64' | 'arm64', 'glibc' | 'musl'];
  const text = execFileSync('readelf', ['--wide', '--file-header', '--dynamic', '--dyn-syms', path], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  const machine = { x64: 'X86-64', arm64: 'AArch64' }[arch];
  const needed = [...text.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name!);
  const versions = new Set([...text.matchAll(/ UND \S+@GLIBC_([\d.]+)/g)].map(([, version]) => version!));
  const problems = needed
    .filter((name) => !LIBRARIES[libc].test(name))
    .map((name) => `needs ${name}, which a system may lack`);
  if (!new RegExp(`Machine:.*${machine}`).test(text)) problems.push(`is not for ${machine}`);
  if (!text.includes(' napi_register_module_v1')) problems.push('is not an addon of Node-API');
  for (const version of versions) {
    if (libc === 'musl') problems.push(`needs glibc ${version}`);
    else if (isNewer(version)) problems.push(`needs glibc ${version}, newer than ${OLDEST_GLIBC.join('.')}`);
  }
  return problems.map((problem) => `prebuilds/${target}/nfqueue.node ${problem}`);
}
