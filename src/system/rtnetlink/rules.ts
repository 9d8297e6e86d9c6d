import type { Family } from '../../core/family.js';
import { forEachAttribute, readAddress, readNumber, readText } from './attributes.js';
import { ADDRESS_FAMILY, forEachMessage, LITTLE_ENDIAN } from './messages.js';
import { RT_TABLE_MAIN } from './routes.js';
import { parseInSlices } from './slices.js';
import { dump, dumpLater } from './socket.js';

/** An ip rule. */
export interface Rule {
  readonly priority: number;
  /** Its RTPROT_* value. */
  readonly protocol: number;
  /** FIB_RULE_INVERT: the rule is for the packets that its conditions do not match. */
  readonly inverted: boolean;
  /** The mark that it asks for; undefined where any will do. */
  readonly mark: { readonly value: number; readonly mask: number } | undefined;
  /** The conditions in the words and the order of `ip rule`: those that it prints before the mark, and those after it. */
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** What becomes of the packets, in the same words; undefined where there are no words for it here. */
  readonly action: string | undefined;
  /** The table that it leads to; 0 where it leads to none. */
  readonly table: number;
  /** Whether it refuses some of the table's answers (suppress_prefixlength, suppress_ifgroup). */
  readonly suppresses: boolean;
}

/** Message types of linux/rtnetlink.h. */
const RTM_NEWRULE = 32;
const RTM_GETRULE = 34;
/**
 * struct fib_rule_hdr of linux/fib_rules.h: family, destination's length, source's length, TOS, table, two reserved
 * bytes, action (at 7), flags (at 8).
 */
const FIB_RULE_HDR_BYTES = 12;
const FIB_RULE_INVERT = 2;
const FR_ACT_TO_TBL = 1;
const REFUSALS: Readonly<Record<number, string>> = { 6: 'blackhole', 7: 'unreachable', 8: 'prohibit' };
/** Attributes of linux/fib_rules.h. */
const FRA = {
  DST: 1,
  SRC: 2,
  IIFNAME: 3,
  PRIORITY: 6,
  FWMARK: 10,
  FLOW: 11,
  TUN_ID: 12,
  SUPPRESS_IFGROUP: 13,
  SUPPRESS_PREFIXLEN: 14,
  TABLE: 15,
  FWMASK: 16,
  OIFNAME: 17,
  PAD: 18,
  UID_RANGE: 20,
  PROTOCOL: 21,
  IP_PROTO: 22,
  SPORT_RANGE: 23,
  DPORT_RANGE: 24,
  SPORT_MASK: 28,
  DPORT_MASK: 29,
} as const;
const UNSET = 0xffffffff;

/** The ip rules of a family, in the kernel's order. @throws Error with `errno` */
export function dumpRules(family: Family): Rule[] {
  return parseRules(dump(RTM_GETRULE, question(family)), family);
}

/** The same, without holding the event loop up. @throws Error with `errno` */
export async function dumpRulesLater(family: Family): Promise<Rule[]> {
  const messages = await dumpLater(RTM_GETRULE, question(family));
  return parseInSlices(messages, (slice) => parseRules(slice, family));
}

function question(family: Family): Uint8Array {
  const body = new Uint8Array(FIB_RULE_HDR_BYTES);
  body[0] = ADDRESS_FAMILY[family];
  return body;
}

/** The rules in the messages of a dump. */
export function parseRules(messages: Uint8Array, family: Family): Rule[] {
  const rules: Rule[] = [];
  forEachMessage(messages, RTM_NEWRULE, (view, start, end) => {
    if (end - start < FIB_RULE_HDR_BYTES || view.getUint8(start) !== ADDRESS_FAMILY[family]) return;
    rules.push(parseRule(view, start, end, family));
  });
  return rules;
}

function parseRule(view: DataView, start: number, end: number, family: Family): Rule {
  const numbers = new Map<number, number>();
  const words = new Map<number, string>();
  let isKnown = true;
  forEachAttribute(view, start + FIB_RULE_HDR_BYTES, end, (type, _, from, to) => {
    switch (type) {
      case FRA.DST:
      case FRA.SRC:
        words.set(type, readAddress(view, from, to) ?? '');
        break;
      case FRA.IIFNAME:
      case FRA.OIFNAME:
        words.set(type, readText(view, from, to));
        break;
      case FRA.UID_RANGE:
        words.set(type, `${view.getUint32(from, LITTLE_ENDIAN)}-${view.getUint32(from + 4, LITTLE_ENDIAN)}`);
        break;
      case FRA.SPORT_RANGE:
      case FRA.DPORT_RANGE:
        words.set(
          type,
          portWords(view.getUint16(from, LITTLE_ENDIAN), view.getUint16(from + 2, LITTLE_ENDIAN)),
        );
        break;
      case FRA.PROTOCOL:
      case FRA.IP_PROTO:
        numbers.set(type, view.getUint8(from));
        break;
      case FRA.PRIORITY:
      case FRA.FWMARK:
      case FRA.FWMASK:
      case FRA.SUPPRESS_IFGROUP:
      case FRA.SUPPRESS_PREFIXLEN:
      case FRA.TABLE:
        numbers.set(type, readNumber(view, from, to));
        break;
      case FRA.SPORT_MASK:
      case FRA.DPORT_MASK:
        // Since Linux 6.15 also beside a single port, which has no mask.
        if (view.getUint16(from, LITTLE_ENDIAN) !== 0xffff) isKnown = false;
        break;
      case FRA.PAD:
        break;
      default:
        // A condition that is left out would take packets that the rule is not for (FRA_L3MDEV, FRA_DSCP, FRA_FLOW).
        isKnown = false;
    }
  });
  const action = view.getUint8(start + 7);
  const table = action === FR_ACT_TO_TBL ? (numbers.get(FRA.TABLE) ?? view.getUint8(start + 4)) : 0;
  const [value, mask] = [numbers.get(FRA.FWMARK) ?? 0, numbers.get(FRA.FWMASK) ?? 0];
  const suppress = suppressWords(numbers);
  const word = (name: string, type: number) => (words.has(type) ? [`${name} ${words.get(type)}`] : []);
  const proto = numbers.get(FRA.IP_PROTO);
  const tos = view.getUint8(start + 3);
  return {
    priority: numbers.get(FRA.PRIORITY) ?? 0,
    protocol: numbers.get(FRA.PROTOCOL) ?? 0,
    inverted: (view.getUint32(start + 8, LITTLE_ENDIAN) & FIB_RULE_INVERT) !== 0,
    mark: mask === 0 ? undefined : { value, mask },
    before: [
      `from ${networkWord(words.get(FRA.SRC), view.getUint8(start + 2), family)}`,
      ...(view.getUint8(start + 1) === 0
        ? []
        : [`to ${networkWord(words.get(FRA.DST), view.getUint8(start + 1), family)}`]),
      ...(tos === 0 ? [] : [`tos 0x${tos.toString(16).padStart(2, '0')}`]),
    ],
    after: [
      ...word('iif', FRA.IIFNAME),
      ...word('oif', FRA.OIFNAME),
      ...word('uidrange', FRA.UID_RANGE),
      ...(proto === undefined ? [] : [`ipproto ${proto}`]),
      ...word('sport', FRA.SPORT_RANGE),
      ...word('dport', FRA.DPORT_RANGE),
    ],
    action: isKnown ? actionWords(action, table, suppress) : undefined,
    table,
    suppresses: suppress.length > 0,
  };
}

function actionWords(action: number, table: number, suppress: readonly string[]): string | undefined {
  if (action !== FR_ACT_TO_TBL) return REFUSALS[action];
  return [`lookup ${table === RT_TABLE_MAIN ? 'main' : table}`, ...suppress].join(' ');
}

function suppressWords(numbers: ReadonlyMap<number, number>): string[] {
  const length = numbers.get(FRA.SUPPRESS_PREFIXLEN) ?? UNSET;
  const group = numbers.get(FRA.SUPPRESS_IFGROUP) ?? UNSET;
  return [
    ...(length === UNSET ? [] : [`suppress_prefixlength ${length}`]),
    ...(group === UNSET ? [] : [`suppress_ifgroup ${group}`]),
  ];
}

function networkWord(address: string | undefined, length: number, family: Family): string {
  if (length === 0) return 'all';
  return length === (family === 4 ? 32 : 128) ? `${address}` : `${address}/${length}`;
}

function portWords(low: number, high: number): string {
  return low === high ? `${low}` : `${low}-${high}`;
}
