import { FAMILIES, type Family } from '../../core/family.js';
import type { Flowtable, Translator } from '../facts.js';

/** The output of iptables-save for both families, and of `nft list ruleset`. */
export interface Rulesets {
  readonly saved: Readonly<Record<Family, string>>;
  readonly nft: string;
}

/** A chain that firewalld makes in iptables: for direct rules, or for its zones without nftables. */
const FIREWALLD = /^:(PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING)_(direct|ZONES) /m;
const MWAN3 = /^:mwan3_/m;
const IPTABLES_TABLE = /^table ip6? (mangle|nat|filter|raw|security) /;

/** Whether rules of firewalld are there: it flushes the others when it is reloaded in full. */
export function hasFirewalld({ saved }: Rulesets): boolean {
  return FAMILIES.some((family) => FIREWALLD.test(saved[family]));
}

/** Whether rules of mwan3 are there. */
export function hasMwan3({ saved }: Rulesets): boolean {
  return FAMILIES.some((family) => MWAN3.test(saved[family]));
}

/** The rules of others that translate the source of what leaves. */
export function translators({ saved, nft }: Rulesets): Translator[] {
  const inIptables = FAMILIES.flatMap((family) =>
    saved[family].split('\n').flatMap((line): Translator[] => {
      if (!/^-A (?!WANMARK)\S+ .*-j (MASQUERADE|SNAT|NETMAP)\b/.test(line)) return [];
      // Of a rule for all devices but one, or all networks but one, nobody can tell; it may be for this one.
      const source = / -s (\S+)/.exec(line.replaceAll(/ ! -s \S+/g, ''))?.[1];
      const out = / -o (\S+)/.exec(line.replaceAll(/ ! -o \S+/g, ''))?.[1];
      return [{ family, source, out }];
    }),
  );
  return [...inIptables, ...(nftTranslates(nft) ? FAMILIES.map(anything) : [])];
}

const anything = (family: Family): Translator => ({ family, source: undefined, out: undefined });

/** Whether a table of nftables that is not one of iptables translates sources. */
function nftTranslates(nft: string): boolean {
  let isOthers = false;
  return nft.split('\n').some((line) => {
    if (line.startsWith('table ')) isOthers = !IPTABLES_TABLE.test(line);
    return isOthers && /\b(masquerade|snat)\b/.test(line) && !/^\s*(type|comment) /.test(line);
  });
}

/** The flowtables that a rule uses. */
export function flowtables({ nft }: Rulesets): Flowtable[] {
  const found: Flowtable[] = [];
  let table = '';
  for (const line of nft.split('\n')) {
    const head = /^table (\S+ \S+) \{/.exec(line);
    if (head !== null) table = head[1]!;
    const name = /^\s+flowtable (\S+) \{/.exec(line)?.[1];
    if (name !== undefined)
      found.push({ name: `${table} ${name}`, devices: [], isHardware: false, counts: false });
    const last = found.at(-1);
    if (last === undefined) continue;
    const devices = /^\s+devices = \{ (.*) \}/.exec(line)?.[1];
    if (devices !== undefined)
      found[found.length - 1] = {
        ...last,
        devices: devices.split(', ').map((one) => one.replaceAll('"', '')),
      };
    if (/^\s+flags offload\b/.test(line)) found[found.length - 1] = { ...last, isHardware: true };
    if (/^\s+counter$/.test(line)) found[found.length - 1] = { ...last, counts: true };
  }
  return found.filter(({ name }) => new RegExp(`\\bflow (add|offload) @${name.split(' ')[2]}\\b`).test(nft));
}

/** The helpers that rules give to connections. */
export function assignedHelpers({ saved, nft }: Rulesets): string[] {
  const inIptables = FAMILIES.flatMap((family) =>
    [...saved[family].matchAll(/ -j CT .*--helper (\S+)/g)].map(([, name]) => name!),
  );
  // An object that gives its type: `ct helper ftp-standard { type "ftp" protocol tcp`.
  const inNft = [...nft.matchAll(/\btype "([a-z0-9_.-]+)" protocol (?:tcp|udp)/gi)].map(([, name]) => name!);
  return [...new Set([...inIptables, ...inNft])];
}
