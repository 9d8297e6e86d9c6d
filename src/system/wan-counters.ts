import type { Config } from '../config/config.js';
import type { ByteCount } from '../core/byte-meter.js';
import { FAMILIES } from '../core/family.js';
import type { CounterReading } from '../core/month-counts.js';
import { countComment, outComment, sharesDevice } from '../plan/counted.js';
import { counterName } from '../plan/render/nft/names.js';
import type { Firewall } from './firewall.js';
import type { Installed } from './installed.js';
import { place } from './memory-file.js';
import { readNftCounters } from './nft-counters.js';
import { linkBytes } from './rtnetlink/link-bytes.js';
import { type Run, run as runCommand } from './run.js';

/** A rule of the chain that counts WANs, with its counters, as iptables-save prints it. */
const COUNTED = /^\[\d+:(\d+)\] -A WANMARK_COUNT .*--comment "(wanmark [^"]+)"/gm;

/** What the devices of WANs count, by name; without those that share a device, and those whose device is away. */
export function deviceCounts(wans: Config['wans'], read = linkBytes): ReadonlyMap<string, ByteCount> {
  const alone = wans.filter((wan) => !sharesDevice(wan, wans));
  return new Map(
    alone.flatMap(({ name, dev }) => {
      const count = read(dev);
      return count === undefined ? [] : [[name, count] as const];
    }),
  );
}

/**
 * What our rules count of the WANs that share a device, by name: bytes of packets that have the WAN's mark, without the headers
 * of the link. It starts a program, which takes some milliseconds. Empty where the rules cannot be read.
 */
export async function ruleCounts(
  wans: Config['wans'],
  { firewall }: Pick<Installed, 'firewall'>,
  run: Run = runCommand,
): Promise<ReadonlyMap<string, ByteCount>> {
  const shared = wans.filter((wan) => sharesDevice(wan, wans));
  if (shared.length === 0) return new Map();
  const bytesOf = firewall.backend === 'nft' ? await nftBytes(run) : await tableBytes(firewall, run);
  return new Map(
    shared.flatMap((wan) => {
      const all = bytesOf(countComment(wan));
      const out = bytesOf(outComment(wan));
      if (all === undefined || out === undefined) return [];
      // The two rules are not read at the same instant.
      return [[wan.name, { in: Math.max(0, all - out), out }] as const];
    }),
  );
}

/** The bytes that rules with a comment count, in both families; undefined where there is no such rule. */
type BytesOf = (comment: string) => number | undefined;

async function tableBytes({ programs }: Firewall, run: Run): Promise<BytesOf> {
  const texts = await Promise.all(
    FAMILIES.map(async (family) => {
      const { code, stdout } = await run([`${programs[family]}-save`, '-c', '-t', 'mangle']);
      return code === 0 ? stdout : '';
    }),
  );
  const bytes = new Map<string, number>();
  for (const [, count, comment] of texts.join('\n').matchAll(COUNTED))
    bytes.set(comment!, (bytes.get(comment!) ?? 0) + Number(count));
  return (comment) => bytes.get(comment);
}

async function nftBytes(run: Run): Promise<BytesOf> {
  const bytes = (await readNftCounters(run))?.bytes ?? new Map<string, number>();
  return (comment) => {
    const counts = FAMILIES.flatMap((family) => bytes.get(counterName(family, comment)) ?? []);
    return counts.length === 0 ? undefined : counts.reduce((sum, count) => sum + count);
  };
}

/** The same counts, with what tells one counter from another. */
export function counterReadings(
  wans: Config['wans'],
  counts: ReadonlyMap<string, ByteCount>,
): ReadonlyMap<string, CounterReading> {
  const { boot, netns } = place();
  return new Map(
    wans.flatMap((wan) => {
      const count = counts.get(wan.name);
      if (count === undefined) return [];
      const counter = sharesDevice(wan, wans) ? 'rules' : 'device';
      return [[wan.name, { ...count, place: `${counter} ${wan.dev}`, boot: `${boot} ${netns}` }] as const];
    }),
  );
}
