import { TABLE } from '../../plan/render/nft/names.js';
import { ALL_BITS, type MarkWrite } from './write.js';

/** The priority of iptables' table mangle. */
const MANGLE = -150;
const PRIORITIES: Readonly<Record<string, number>> = {
  raw: -300,
  mangle: MANGLE,
  dstnat: -100,
  filter: 0,
  security: 50,
  srcnat: 100,
};
const IPTABLES_TABLE = /^table (ip6?) (mangle|nat|filter|raw|security) /;
const OURS = `table ${TABLE} {`;
const WRITE =
  /\b(meta|ct) mark set (.+?)(?= (?:accept|drop|return|continue|counter|comment|jump|goto|log|queue)\b|$)/g;

/**
 * The rules of others in the output of `nft list ruleset` that write a mark. The tables of iptables-nft are left out, since
 * iptables-save shows them as their owner wrote them.
 */
export function nftWrites(ruleset: string): MarkWrite[] {
  const writes: MarkWrite[] = [];
  let table = '';
  let chain = '';
  let early = false;
  let place: Place = 'harmless';
  for (const line of ruleset.split('\n').map((one) => one.trim())) {
    if (line.startsWith('table '))
      table = IPTABLES_TABLE.test(line) || line === OURS ? '' : line.slice('table '.length, -2);
    const name = /^chain (\S+) \{/.exec(line)?.[1];
    if (name !== undefined) {
      chain = name;
      early = false;
      place = 'harmless';
    }
    early ||= isEarly(line);
    if (place === 'harmless') place = placeOf(line);
    if (table === '') continue;
    for (const [text, kind, value] of line.matchAll(WRITE)) {
      const of = kind === 'ct' ? 'connection' : 'packet';
      const where = `nft ${table} ${chain}`;
      const written = bits(kind!, value!);
      const copies =
        of === 'connection' ? place !== 'harmless' && 'before us' : place === 'own' && 'after the route';
      if (written !== undefined) writes.push({ where, text, of, early, ...written });
      else if (copies) writes.push({ where, text, of, value: undefined, mask: ALL_BITS, early, copies });
    }
  }
  return writes;
}

/**
 * Where a chain copies marks by its head: in front of our rules, with the router's own packets after the kernel has found their
 * way (`own`), which a chain of the type `route` finds again; or where it does no harm. Of two chains with our priority the
 * one that is made later is asked first (nf_hook_entries_grow).
 */
type Place = 'before us' | 'own' | 'harmless';

function placeOf(line: string): Place {
  const head = /^type (\S+) hook (prerouting|output) /.exec(line);
  const priority = priorityOf(line);
  if (head === null || priority === undefined || priority > MANGLE) return 'harmless';
  return head[1] === 'filter' && head[2] === 'output' ? 'own' : 'before us';
}

const HEAD = /^type \S+ hook (\S+) (?:devices? .* )?priority (\w+)?(?: ?([-+] ?\d+)|(-?\d+))?;/;

function priorityOf(line: string): number | undefined {
  const head = HEAD.exec(line);
  if (head === null) return undefined;
  const [, , base = '', offset = '0'] = head;
  return (PRIORITIES[base] ?? Number(base)) + Number(offset.replace(' ', ''));
}

/** Whether a chain's head says that it comes before mangle PREROUTING, or where the packet's mark has done its work. */
function isEarly(line: string): boolean {
  const hook = HEAD.exec(line)?.[1];
  if (hook === undefined) return false;
  if (hook !== 'prerouting' && hook !== 'output') return hook !== 'forward';
  return priorityOf(line)! < MANGLE;
}

/**
 * What an expression writes: a number, or the mark itself with bits taken out and put in (`ct mark & 0xffffff00 | 0x1`).
 * Undefined for the one mark copied to the other, which carries our bits along.
 */
function bits(kind: string, expression: string): Pick<MarkWrite, 'value' | 'mask'> | undefined {
  const [, source, rest = ''] = /^((?:meta |ct )?mark)?(.*)$/.exec(expression)!;
  if (source === undefined) {
    const whole = /^0x[0-9a-f]+$/i.test(expression) ? Number(expression) : undefined;
    return { value: whole, mask: ALL_BITS };
  }
  const words = rest.replaceAll(/\band\b/g, '&').replaceAll(/\bx?or\b/g, '|');
  const put = /[|^] (0x[0-9a-f]+)/i.exec(words)?.[1] ?? '0';
  const kept = /& (0x[0-9a-f]+)/i.exec(words)?.[1];
  const isItself = source === 'mark' || source.startsWith(kind);
  if (!isItself) return rest.trim() === '' ? undefined : { value: Number(put), mask: ALL_BITS };
  const cleared = kept === undefined ? 0 : ~Number(kept);
  return { value: Number(put), mask: (cleared | Number(put)) >>> 0 };
}
