import { execFileSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';

/** Of the machine, since busybox's `ip` has neither protocols of rules nor -batch, and Debian's busybox has no flock. */
const NOT_BUSYBOX = ['flock'];

function find(name: string): string {
  return execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
}

/**
 * Makes a folder for PATH a router's /bin: all applets of busybox and no GNU program. Programs of /usr/sbin, which our
 * scripts look for by themselves, are `ip` and those of iptables. Needs the requirement `program('busybox')`.
 */
export function installApplets(folder: string): void {
  const busybox = find('busybox');
  const applets = execFileSync(busybox, ['--list'], { encoding: 'utf8' }).split('\n');
  const isWanted = (name: string) => !['', 'ip', ...NOT_BUSYBOX].includes(name);
  for (const name of ['busybox', ...applets.filter(isWanted)]) symlinkSync(busybox, join(folder, name));
  for (const name of NOT_BUSYBOX) symlinkSync(find(name), join(folder, name));
}
