import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Host } from '#wanmark/lab/host.js';

const MAX = '/proc/sys/net/netfilter/nf_conntrack_max';
/** Lifetime of the connections in seconds, longer than any run. */
const TIMEOUT_S = 24 * 3600;
const PORTS = 50_000;

/**
 * Raises the limit of conntrack entries for each namespace to `connections`; the old one is back when this process ends.
 * @throws {Error} when the limit is too low and this process may not raise it
 */
export function makeRoom(connections: number): void {
  const max = readFileSync(MAX, 'utf8');
  if (Number(max) >= connections) return;
  try {
    writeFileSync(MAX, String(connections));
  } catch (error) {
    throw new Error(
      `net.netfilter.nf_conntrack_max is ${max.trim()} and must be ${connections} (${(error as Error).message}); ` +
        `as root, outside of any namespace: sysctl -w net.netfilter.nf_conntrack_max=${connections}`,
    );
  }
  process.on('exit', () => writeFileSync(MAX, max));
}

/**
 * Writes a file for `conntrack --load-file` with `count` UDP connections that live for a day, on the marks in turn.
 * `-u` stands before `-m`, since conntrack 1.4.7 takes a later status for the mark.
 */
export function writeHeld(directory: string, count: number, marks: readonly number[]): string {
  const path = join(directory, `held-${count}`);
  const lines: string[] = [];
  for (let i = 0; i < count; i++) {
    const client = `10.1.0.${1 + Math.floor(i / PORTS)}`;
    const port = 1024 + (i % PORTS);
    lines.push(
      `-I -p udp -s ${client} -d 203.0.113.10 --sport ${port} --dport 53 ` +
        `-r 203.0.113.10 -q ${client} --reply-port-src 53 --reply-port-dst ${port} ` +
        `-t ${TIMEOUT_S} -u SEEN_REPLY,ASSURED -m ${marks[i % marks.length]}\n`,
    );
  }
  writeFileSync(path, lines.join(''));
  return path;
}

/** Empties the conntrack table and loads the connections of a file of {@link writeHeld}. */
export async function replaceTable(host: Host, path: string): Promise<void> {
  await host.sh(`conntrack -F\nconntrack -R ${path}`, { timeoutMs: 300_000 });
}

/** How many connections a host tracks. */
export async function tracked(host: Host): Promise<number> {
  return Number((await host.exec(['conntrack', '-C'])).stdout);
}
