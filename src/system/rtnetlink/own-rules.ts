import type { Family } from '../../core/family.js';
import { loadAddon } from '../../native.js';
import { attribute, forEachAttribute, readText } from './attributes.js';
import { ADDRESS_FAMILY, forEachMessage } from './messages.js';
import { parseInSlices } from './slices.js';
import { dumpLater } from './socket.js';

/**
 * Texts that change when somebody changes a rule of ours, and with nothing that others have beside them, nor with
 * counters. They say that something changed, not what, and are good only for a comparison with an earlier one. None of them
 * holds the event loop up, however many rules there are.
 */

/** This file's part of the addon (native/js/route.h). */
interface NetfilterAddon {
  /** Rejects with an Error with `errno`. */
  netfilterDumpLater(type: number, body: Uint8Array): Promise<Uint8Array>;
}

/** Messages of linux/rtnetlink.h and linux/netfilter/nf_tables.h. */
const RTM_NEWRULE = 32;
const RTM_GETRULE = 34;
const NFT_NEWTABLE = 10 << 8;
const NFT_GETTABLE = (10 << 8) | 1;
const NFT_NEWRULE = (10 << 8) | 6;
const NFT_GETRULE = (10 << 8) | 7;
/** struct fib_rule_hdr of linux/fib_rules.h, and the attribute FRA_PROTOCOL. */
const FIB_RULE_BYTES = 12;
const FRA_PROTOCOL = 21;
const NFGENMSG_BYTES = 4;
/** Attributes of a table in nftables; the second is there since Linux 4.16. */
const TABLE_NAME = 1;
const TABLE_HANDLE = 4;
/** Attributes of a rule in nftables, of an expression in it, and of the elements of a list. */
const RULE_TABLE = 1;
const RULE_CHAIN = 2;
const RULE_HANDLE = 3;
const RULE_EXPRESSIONS = 4;
const RULE_USERDATA = 7;
const EXPR_NAME = 1;
/** Targets of iptables' own, as their names stand in a rule. */
const REDIRECTING = ['REDIRECT\0', 'TPROXY\0', 'DNAT\0'];
const MARKING = 'MARK\0';
/** The beginning of the names of our chains. */
const OURS = 'WANMARK';
const ENOENT = 2;

/** The ip rules of a protocol. @throws Error with `errno` */
export async function ipRulesText(family: Family, protocol: number): Promise<string> {
  const header = new Uint8Array(FIB_RULE_BYTES);
  header[0] = ADDRESS_FAMILY[family];
  const rules = await parseInSlices(await dumpLater(RTM_GETRULE, header), (messages) => {
    const some: string[] = [];
    forEachMessage(messages, RTM_NEWRULE, (view, start, end) => {
      let own = false;
      forEachAttribute(view, start + FIB_RULE_BYTES, end, (type, _, from) => {
        if (type === FRA_PROTOCOL && view.getUint8(from) === protocol) own = true;
      });
      if (own) some.push(slice(view, start, end).toString('base64'));
    });
    return some;
  });
  return rules.join('\n');
}

/**
 * The rules of a chain of iptables-nft; empty for a chain that is not there.
 * @param table `mangle`, `nat` or `filter`
 * @param only takes just those rules whose bytes contain this text, as the jumps to our chains do
 * @throws Error with `errno`
 */
export async function chainText(
  family: Family,
  table: string,
  chain: string,
  only?: string,
): Promise<string> {
  const messages = await dumpRules(family, table, chain);
  return (await rulesText(messages, only === undefined ? undefined : [only])).join('\n');
}

/**
 * The rules of a chain by their numbers, which take a tenth of the time that their texts do. The kernel never changes a
 * rule: what replaces one has another number (nf_tables_newrule), and no number comes twice while the table is there
 * (nf_tables_alloc_handle), which {@link tableNumbers} says.
 * @throws Error with `errno`
 */
export async function chainNumbers(family: Family, table: string, chain: string): Promise<string> {
  const numbers = await parseInSlices(await dumpRules(family, table, chain), (messages) => {
    const some: bigint[] = [];
    forEachMessage(messages, NFT_NEWRULE, (view, start, end) => {
      forEachAttribute(view, start + NFGENMSG_BYTES, end, (type, _, from, to) => {
        if (type === RULE_HANDLE && to - from === 8) some.push(view.getBigUint64(from));
      });
    });
    return some;
  });
  return numbers.join(' ');
}

/** A text that changes when one of these tables of iptables-nft goes, comes, or is made anew. @throws Error with `errno` */
export async function tableNumbers(family: Family, tables: readonly string[]): Promise<string> {
  const texts: string[] = [];
  forEachMessage(await dumpLaterOf(family, NFT_GETTABLE, []), NFT_NEWTABLE, (view, start, end) => {
    let [name, number] = ['', 0n];
    forEachAttribute(view, start + NFGENMSG_BYTES, end, (type, _, from, to) => {
      if (type === TABLE_NAME) name = readText(view, from, to);
      if (type === TABLE_HANDLE && to - from === 8) number = view.getBigUint64(from);
    });
    if (tables.includes(name)) texts.push(`${name} ${number}`);
  });
  return texts.sort().join('\n');
}

/**
 * What leads new connections elsewhere: the rules of PREROUTING and of mangle's OUTPUT, and all that redirect, translate or mark. Those of a machine
 * with more of them than `most` are left out, since a cluster's node changes them all the time.
 * @throws Error with `errno`
 */
export async function redirectionsText(family: Family, most: number): Promise<string> {
  const few = (rules: string[]) => (rules.length > most ? [] : rules);
  const texts: string[] = [];
  for (const table of ['mangle', 'nat']) {
    const all = await dumpRules(family, table);
    texts.push(
      await chainText(family, table, 'PREROUTING'),
      ...few(await rulesText(all, REDIRECTING)),
      ...(table === 'mangle'
        ? [await chainText(family, table, 'OUTPUT'), ...few(await rulesText(all, [MARKING], OURS))]
        : []),
    );
  }
  return texts.join('\n');
}

/**
 * One text for each rule.
 * @param only takes just those rules whose bytes contain one of these texts
 * @param without takes none of those whose bytes contain this text
 */
function rulesText(messages: Uint8Array, only?: readonly string[], without?: string): Promise<string[]> {
  return parseInSlices(messages, (some) => textsOf(some, only, without));
}

function textsOf(messages: Uint8Array, only?: readonly string[], without?: string): string[] {
  const rules: string[] = [];
  forEachMessage(messages, NFT_NEWRULE, (view, start, end) => {
    const bytes = slice(view, start, end);
    if (only?.every((text) => bytes.indexOf(text) < 0)) return;
    if (without !== undefined && bytes.indexOf(without) >= 0) return;
    const texts: string[] = [];
    forEachAttribute(view, start + NFGENMSG_BYTES, end, (type, _, from, to) => {
      if (type === RULE_USERDATA) texts.push(slice(view, from, to).toString('latin1'));
      if (type === RULE_EXPRESSIONS) texts.push(...expressions(view, from, to));
    });
    rules.push(texts.join('\n'));
  });
  return rules;
}

/** The expressions of a rule without its counter. Position and handle are left out, too: they go by what is beside it. */
function expressions(view: DataView, start: number, end: number): string[] {
  const texts: string[] = [];
  forEachAttribute(view, start, end, (_, __, from, to) => {
    let name = '';
    forEachAttribute(view, from, to, (type, ___, at, until) => {
      if (type === EXPR_NAME) name = readText(view, at, until);
    });
    if (name !== 'counter') texts.push(slice(view, from, to).toString('latin1'));
  });
  return texts;
}

/** The rules of a chain, or of all chains of a table. */
function dumpRules(family: Family, table: string, chain?: string): Promise<Uint8Array> {
  const text = (value: string) => Buffer.from(`${value}\0`);
  return dumpLaterOf(family, NFT_GETRULE, [
    attribute(RULE_TABLE, text(table)),
    ...(chain === undefined ? [] : [attribute(RULE_CHAIN, text(chain))]),
  ]);
}

async function dumpLaterOf(
  family: Family,
  type: number,
  attributes: readonly Uint8Array[],
): Promise<Uint8Array> {
  const header = new Uint8Array(NFGENMSG_BYTES);
  header[0] = ADDRESS_FAMILY[family];
  try {
    const body = Buffer.concat([header, ...attributes]);
    return await loadAddon<NetfilterAddon>().netfilterDumpLater(type, body);
  } catch (error) {
    if (error instanceof Error && 'errno' in error && error.errno === ENOENT) return new Uint8Array(0);
    throw error;
  }
}

function slice(view: DataView, start: number, end: number): Buffer {
  return Buffer.from(view.buffer, view.byteOffset + start, end - start);
}
