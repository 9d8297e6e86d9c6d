import { spawn } from 'node:child_process';
import type { Lab } from './lab.js';

const SAFE = /^[\w@%+=:,./-]+$/;

/** An argv as a line for a POSIX shell. */
export function quote(argv: readonly string[]): string {
  return argv.map((word) => (SAFE.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(' ');
}

function shell(): string {
  return process.env.SHELL || '/bin/sh';
}

/** What to paste into another terminal to be on each host. */
export function describeHosts(lab: Lab): string {
  const width = Math.max(...[...lab.hosts.keys()].map((name) => name.length));
  const lines = [...lab.hosts.values()].map(
    (host) => `  ${host.name.padEnd(width)}  ${quote(host.command([shell()]))}`,
  );
  return `${['Each host from another terminal, as the same user:', ...lines].join('\n')}\n`;
}

/** A shell on the router, on this terminal; resolves when it ends. */
export function interactiveShell(lab: Lab): Promise<void> {
  const [file, ...args] = lab.router.command([shell()]) as [string, ...string[]];
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: 'inherit', env: { ...process.env, PS1: 'router# ' } });
    child.on('error', reject).on('close', () => resolve());
  });
}
