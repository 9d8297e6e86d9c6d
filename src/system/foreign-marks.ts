import { FAMILIES, type Family } from '../core/family.js';
import { hex } from '../core/mark.js';
import type { FieldInUse } from './foreign-marks/field.js';
import { iptablesWrites } from './foreign-marks/iptables.js';
import { nftWrites } from './foreign-marks/nft.js';
import { type MarkRule, markRules, matches, takenLines } from './foreign-marks/rules.js';
import type { MarkWrite } from './foreign-marks/write.js';
import { hasLegacyTables } from './legacy-tables.js';
import { type Run, run as runCommand } from './run.js';

/** The most lines that are said of one kind; a firewall can have thousands of rules. */
const MOST = 5;
const SAVES = ['iptables', 'ip6tables'] as const;
/** What shows the rules of iptables-legacy, where the kernel has any. */
const LEGACY_SAVES: Readonly<Record<Family, string>> = { 4: 'iptables-legacy', 6: 'ip6tables-legacy' };

/**
 * The rules of others that use bits of our fields: iptables and nftables rules that write them, and ip rules that match
 * a backend's mark. One line each, with what to do; rules that cannot be read are taken for none.
 */
export async function foreignMarks(
  fields: readonly FieldInUse[],
  run: Run = runCommand,
  isLegacyInUse: (family: Family) => boolean = hasLegacyTables,
): Promise<readonly string[]> {
  const saves = [
    ...SAVES,
    ...FAMILIES.filter((family) => isLegacyInUse(family)).map((family) => LEGACY_SAVES[family]),
  ];
  const outputOf = async (argv: readonly [string, ...string[]]) => {
    const { code, stdout } = await run(argv);
    return code === 0 ? stdout : '';
  };
  const [saved, native, rules] = await Promise.all([
    Promise.all(saves.map(async (name) => iptablesWrites(name, await outputOf([`${name}-save`])))),
    outputOf(['nft', '-s', '-t', 'list', 'ruleset']).then(nftWrites),
    Promise.all(([4, 6] as const).map((family) => outputOf(['ip', '-N', `-${family}`, 'rule', 'show']))),
  ]);
  const led = rules.flatMap(markRules);
  const writes = [...saved.flat(), ...native];
  return fields.flatMap((used) => [
    ...few(writes.flatMap((write) => writeLine(write, used, led) ?? [])),
    // The plan follows the ip rules of others, and names those that ask for the mark of a WAN.
    ...(used.option === 'mask' ? [] : few(led.flatMap((rule) => takenLines(rule, used)))),
  ]);
}

function few(lines: readonly string[]): readonly string[] {
  const unique = [...new Set(lines)];
  const more = unique.length - MOST;
  return more <= 0 ? unique : [...unique.slice(0, MOST), `${more} more of them`];
}

/**
 * Says what a rule does to our bits; undefined where it does no harm.
 * @param led the ip rules of others. A packet that gets a mark for one of them is to leave us, and does.
 */
function writeLine(
  write: MarkWrite,
  { field, option, targets }: FieldInUse,
  led: readonly MarkRule[],
): string | undefined {
  const { where, text, of, value, mask, early, copies } = write;
  const touched = (mask & field.mask) >>> 0;
  const given = ((value ?? 0) & field.mask) >>> 0;
  // What is cleared before we look, or after we have used it, is not missed.
  if (copies !== undefined) return touched === 0 ? undefined : copyLine(write);
  if (touched === 0 || (of === 'packet' && early && given === 0)) return undefined;
  const isOurs = targets.some(({ mark }) => field.encode(mark) === given);
  if (of === 'packet' && !isOurs && value !== undefined && led.some((rule) => matches(rule, value)))
    return undefined;
  const what = `${where} (${text}) writes ${mask === 0xffff_ffff ? 'the whole' : 'bits of the'} ${of} mark, also those of --${option} ${hex(field.mask)}`;
  if (given !== 0) return `${what}; give it or wanmark other bits, docs/marks.md says which are free`;
  if (value === undefined)
    return `${what}, so what it meets loses its number; let it leave these bits as they are`;
  const kept = hex((mask & ~field.mask) >>> 0);
  return `${what}, so what it meets loses its number; let it write ${hex(value)} under the mask ${kept}`;
}

/** Says what a copy of the one mark to the other does. */
function copyLine({ where, text, copies }: MarkWrite): string {
  if (copies === 'before us') {
    return (
      `${where} (${text}) copies the packet's mark to the connection before wanmark has set it, so connections that NAT does ` +
      "not translate lose their WAN; put it behind wanmark's rules"
    );
  }
  return (
    `${where} (${text}) marks the router's own packets when their way is found already, so its connections by other WANs ` +
    "than main's are cut; make it a chain of the type 'route', or give it the priority -149"
  );
}
