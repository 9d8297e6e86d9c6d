import { setTimeout } from 'node:timers/promises';
import type { Family } from '#wanmark/core/family.js';
import type { Host } from '#wanmark/lab/host.js';
import { TRIES_NFT } from './backend.js';

/** One connection of the kernel's table, with the addresses and ports of the original direction. */
export interface ConntrackEntry {
  readonly proto: string;
  readonly src: string;
  readonly dst: string;
  readonly sport: number;
  readonly dport: number;
  /** The whole connection mark. */
  readonly mark: number;
  /** The whole line. */
  readonly text: string;
}

// Shortened, since conntrack prints IPv6 addresses short and the kernel's file prints them in full.
const SCRIPT = `
if command -v conntrack >/dev/null; then conntrack -L -f ipv4 -o extended; conntrack -L -f ipv6 -o extended
else cat /proc/net/nf_conntrack; fi 2>/dev/null
`;

function shortAddress(address: string): string {
  return address.includes(':') ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}

/** Reads the connections that a host tracks. Needs the requirement `conntrackTable`. */
export async function conntrack(host: Host): Promise<ConntrackEntry[]> {
  const { stdout } = await host.sh(SCRIPT);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((text) => {
      const field = (name: string) => new RegExp(`\\b${name}=(\\S+)`).exec(text)?.[1] ?? '';
      return {
        proto: text.split(/\s+/)[2] ?? '',
        src: shortAddress(field('src')),
        dst: shortAddress(field('dst')),
        sport: Number(field('sport')),
        dport: Number(field('dport')),
        mark: Number(field('mark')),
        text,
      };
    });
}

/** The lines of `ip rule`, without the priority. */
export async function ipRules(host: Host, family: Family = 4): Promise<string[]> {
  const { stdout } = await host.exec(['ip', `-${family}`, 'rule']);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.replace(/^\d+:\s*/, '').trim());
}

/** The routes of a routing table; none when the table does not exist. */
export async function routes(host: Host, table: string | number, family: Family = 4): Promise<string[]> {
  const argv = ['ip', `-${family}`, 'route', 'show', 'table', String(table)];
  const { stdout } = await host.exec(argv, { okCodes: 'any' });
  return stdout.split('\n').filter((line) => line !== '');
}

/** Packets counted by the rules of a chain whose text matches. */
export async function packets(
  host: Host,
  table: string,
  chain: string,
  match: RegExp,
  family: Family = 4,
): Promise<number> {
  const rules =
    (await nftCounters(host, table, chain, family)) ?? (await host.counters(table, chain, family));
  return rules.filter(({ rule }) => match.test(rule)).reduce((sum, rule) => sum + rule.packets, 0);
}

/** What our nft table counts in a chain, in words of iptables; undefined where it is not there. */
async function nftCounters(host: Host, table: string, chain: string, family: Family) {
  if (!TRIES_NFT || !chain.startsWith('WANMARK')) return undefined;
  const name = `${table}${family}.${chain}`;
  const { stdout } = await host.sh(`nft list chain inet wanmark ${name} 2>/dev/null || :`);
  if (stdout === '') return undefined;
  return [...stdout.matchAll(/counter packets (\d+) bytes \d+ queue/g)].map(([, count]) => ({
    rule: '-j NFQUEUE',
    packets: Number(count),
  }));
}

/** Between two questions, so that those who have to change the answer get the processor. */
const PAUSE_MS = 20;

/** Asks until `holds` is true of the answer, since the kernel's counters have no event to wait for. */
export async function eventually<T>(
  ask: () => Promise<T>,
  holds: (answer: T) => boolean,
  what: string,
  timeoutMs = 120_000,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (holds(answer)) return answer;
    await setTimeout(PAUSE_MS);
    if (performance.now() > end) {
      throw new Error(`${what}: still ${JSON.stringify(answer)} after ${timeoutMs / 1000} s`);
    }
  }
}
