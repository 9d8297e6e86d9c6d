import type { Family } from '../../core/family.js';
import { loadAddon } from '../../native.js';
import { attribute, forEachAttribute, readText } from './attributes.js';
import { ADDRESS_FAMILY, forEachMessage } from './messages.js';
import { dump } from './socket.js';

/**
 * Texts that change when somebody changes a rule of ours, and with nothing else: neither counters nor what others have
 * beside them. They say that something changed, not what, and are good only for a comparison with an earlier one.
 */

/** Messages of linux/rtnetlink.h and linux/netfilter/nf_tables.h. */
const RTM_NEWRULE = 32;
const RTM_GETRULE = 34;
const NFT_NEWRULE = (10 << 8) | 6;
const NFT_GETRULE = (10 << 8) | 7;
/** struct fib_rule_hdr of linux/fib_rules.h, and the attribute FRA_PROTOCOL. */
const FIB_RULE_BYTES = 12;
const FRA_PROTOCOL = 21;
const NFGENMSG_BYTES = 4;
/** Attributes of a rule in nftables, of an expression in it, and of the elements of a list. */
const RULE_TABLE = 1;
const RULE_CHAIN = 2;
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
export function ipRulesText(family: Family, protocol: number): string {
  const header = new Uint8Array(FIB_RULE_BYTES);
  header[0] = ADDRESS_FAMILY[family];
  const messages = dump(RTM_GETRULE, header);
  const rules: string[] = [];
  forEachMessage(messages, RTM_NEWRULE, (view, start, end) => {
    let own = false;
    forEachAttribute(view, start + FIB_RULE_BYTES, end, (type, _, from) => {
      if (type === FRA_PROTOCOL && view.getUint8(from) === protocol) own = true;
    });
    if (own) rules.push(slice(view, start, end).toString('base64'));
  });
  return rules.join('\n');
}

/**
 * The rules of a chain of iptables-nft; empty for a chain that is not there.
 * @param table `mangle`, `nat` or `filter`
 * @param only takes just those rules whose bytes contain this text, as the jumps to our chains do
 * @throws Error with `errno`
 */
export function chainText(family: Family, table: string, chain: string, only?: string): string {
  return rulesText(dumpRules(family, table, chain), only === undefined ? undefined : [only]).join('\n');
}

/**
 * What leads new connections elsewhere: the rules of PREROUTING, and all that redirect, translate or mark. Those of a machine
 * with more of them than `most` are left out, since a cluster's node changes them all the time.
 * @throws Error with `errno`
 */
export function redirectionsText(family: Family, most: number): string {
  return ['mangle', 'nat']
    .flatMap((table) => {
      const all = dumpRules(family, table);
      const few = (rules: string[]) => (rules.length > most ? [] : rules);
      return [
        chainText(family, table, 'PREROUTING'),
        ...few(rulesText(all, REDIRECTING)),
        ...(table === 'mangle' ? few(rulesText(all, [MARKING], OURS)) : []),
      ];
    })
    .join('\n');
}

/**
 * One text for each rule.
 * @param only takes just those rules whose bytes contain one of these texts
 * @param without takes none of those whose bytes contain this text
 */
function rulesText(messages: Uint8Array, only?: readonly string[], without?: string): string[] {
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
function dumpRules(family: Family, table: string, chain?: string): Uint8Array {
  const header = new Uint8Array(NFGENMSG_BYTES);
  header[0] = ADDRESS_FAMILY[family];
  const text = (value: string) => Buffer.from(`${value}\0`);
  const body = Buffer.concat([
    header,
    attribute(RULE_TABLE, text(table)),
    ...(chain === undefined ? [] : [attribute(RULE_CHAIN, text(chain))]),
  ]);
  try {
    return loadAddon<{ netfilterDump(type: number, body: Uint8Array): Uint8Array }>().netfilterDump(
      NFT_GETRULE,
      body,
    );
  } catch (error) {
    if (error instanceof Error && 'errno' in error && error.errno === ENOENT) return new Uint8Array(0);
    throw error;
  }
}

function slice(view: DataView, start: number, end: number): Buffer {
  return Buffer.from(view.buffer, view.byteOffset + start, end - start);
}
