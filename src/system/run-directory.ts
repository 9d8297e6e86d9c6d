import { existsSync, mkdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { SystemError } from '../errors.js';

/**
 * The folder of the executor's lock and state, and of plans on their way to it. The first network namespace with a
 * state has WANMARK_RUN itself, another one a folder in it; scripts/namespace.sh says why, and decides the same.
 */
export function runDirectory(): string {
  const base = process.env.WANMARK_RUN ?? '/run/wanmark';
  const { number, boot } = ownNamespace();
  const own = join(base, `netns-${number}`);
  if (existsSync(join(own, 'state'))) return own;
  const [owner, ownersBoot] = readText(join(base, 'state', 'netns')).split(' ');
  return ownersBoot === boot && owner !== number ? own : base;
}

/** Whether the folder is one of several in WANMARK_RUN, since another network namespace has the state there. */
export function isSecondNamespace(): boolean {
  return runDirectory() !== (process.env.WANMARK_RUN ?? '/run/wanmark');
}

/** Creates the folder where it does not exist. @throws SystemError */
export function makeRunDirectory(): string {
  const path = runDirectory();
  try {
    mkdirSync(path, { recursive: true, mode: 0o755 });
  } catch {
    throw new SystemError('RUN_DIRECTORY', `cannot create ${path}; set WANMARK_RUN to a directory`);
  }
  return path;
}

interface Namespace {
  /** The inode of the network namespace, in decimal. */
  readonly number: string;
  readonly boot: string;
}

let namespace: Namespace | undefined;

/** The network namespace of this process, which stays in it. */
function ownNamespace(): Namespace {
  namespace ??= {
    number: /\d+/.exec(readlinkSync('/proc/self/ns/net'))?.[0] ?? '0',
    boot: readText('/proc/sys/kernel/random/boot_id'),
  };
  return namespace;
}

/** A file's text without the end of its line; empty where it cannot be read. */
function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}
