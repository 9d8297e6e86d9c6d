import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { PACKAGES } from './beside.js';

/** What a program wrote, and its exit code. */
interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program of the unpacked packages as it lies there, for programs that need no more than their libraries. */
export function runUnpacked(path: string, args: readonly string[], input = ''): Ran {
  const libraries = readdirSync(`${PACKAGES}/usr/lib`, { withFileTypes: true })
    .filter((one) => one.isDirectory() && one.name.endsWith('-linux-gnu'))
    .map(({ name }) => `${PACKAGES}/usr/lib/${name}`);
  const env = { ...process.env, LD_LIBRARY_PATH: libraries.join(':') };
  return spawnSync(`${PACKAGES}/${path}`, args, { encoding: 'utf8', env, input });
}
