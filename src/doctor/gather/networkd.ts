import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';

/** The first 15 characters of systemd-networkd, which is what the kernel keeps of a name (TASK_COMM_LEN). */
const NAME = 'systemd-network';
/** From the weakest to the strongest, networkd.conf(5). */
const FOLDERS = ['/usr/lib/systemd', '/usr/local/lib/systemd', '/run/systemd', '/etc/systemd'];

/** Whether systemd-networkd runs in this network namespace and takes the ip rules of others away, as it does by default. */
export function networkdRemovesRules(): boolean {
  return isRunning() && !keepsForeignRules(settingFiles());
}

/** Whether the last of these files that says so has networkd leave the ip rules of others alone. */
export function keepsForeignRules(files: readonly string[]): boolean {
  const said = files.flatMap((text) =>
    [...text.matchAll(/^\s*ManageForeignRoutingPolicyRules\s*=\s*(\S*)/gim)].map(([, value]) => value!),
  );
  return /^(no|n|false|f|off|0)$/i.test(said.at(-1) ?? 'yes');
}

/** The texts of the main file and of the files beside it, in the order in which they hold. */
function settingFiles(): string[] {
  const main = FOLDERS.toReversed()
    .map((folder) => readText(join(folder, 'networkd.conf')))
    .find((text) => text !== '');
  const more = new Map(
    FOLDERS.flatMap((folder) => {
      const drops = join(folder, 'networkd.conf.d');
      return list(drops)
        .filter((name) => name.endsWith('.conf'))
        .map((name) => [name, join(drops, name)] as const);
    }),
  );
  const sorted = [...more.values()].toSorted((a, b) => (basename(a) < basename(b) ? -1 : 1));
  return [main ?? '', ...sorted.map(readText)];
}

function isRunning(): boolean {
  const own = namespaceOf('self');
  return list('/proc').some((pid) => {
    if (!/^\d+$/.test(pid) || readText(`/proc/${pid}/comm`).trim() !== NAME) return false;
    const theirs = namespaceOf(pid);
    // Another user's cannot be read; most machines have one network namespace with it.
    return own === undefined || theirs === undefined || own === theirs;
  });
}

function namespaceOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
