import { spawn } from 'node:child_process';
import type { Lab } from './lab.js';

const SAFE = /^[\w@%+=:,./-]+$/;

/** Writes an argv as a line for a POSIX shell. */
export function quote(argv: readonly string[]): string {
  return argv.map((word) => (SAFE.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(' ');
}

function shell(): string {
  return process.env.SHELL || '/bin/sh';
}

/** A list of commands that enter each host from another terminal. */
export function describeHosts(lab: Lab): string {
  const width = Math.max(...[...lab.hosts.keys()].map((name) => name.length));
  const lines = [...lab.hosts.values()].map(
    (host) => `  ${host.name.padEnd(width)}  ${quote(host.command([shell()]))}`,
  );
  return `${['Each host from another terminal, as the same user:', ...lines].join('\n')}\n`;
}

/** Runs a shell on the router on this terminal; resolves when the shell ends. */
export function interactiveShell(lab: Lab): Promise<void> {
  const [file, ...args] = lab.router.command([shell()]) as [string, ...string[]];
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: 'inherit', env: { ...process.env, PS1: 'router# ' } });
    child.on('error', reject).on('close', () => resolve());
  });
}
