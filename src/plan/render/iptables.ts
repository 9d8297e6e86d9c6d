import type { Family } from '../../core/family.js';
import { hex } from '../../core/mark.js';
import type { PortRange } from '../../core/service.js';
import { rotation } from '../choice.js';
import type {
  Action,
  Choice,
  FamilyPlan,
  Hook,
  IcmpError,
  MarkBits,
  Match,
  Rule,
  SetPlan,
  Share,
  Stage,
} from '../plan.js';

/**
 * A stage of a plan in the form of iptables-save: a line for each chain, its rules, and the jumps to our chains, which
 * carry the comment `wanmark`. Empty where the plan has nothing in the stage.
 */
export function iptablesLines({ stages, sets }: FamilyPlan, stage: Stage): string[] {
  const { chains, hooks } = stages[stage];
  return [
    ...chains.map(({ name }) => `:${name} - [0:0]`),
    ...chains.flatMap(({ name, rules }) => rules.flatMap((rule) => ruleLines(name, rule, sets))),
    ...hooks.map(hookLine),
  ];
}

/** The jump to one of our chains. The comment is what we and the scripts know it by. */
export function hookLine({ base, chain, when = [] }: Hook): string {
  return [`-A ${base}`, ...when.map(matchWords), `-m comment --comment wanmark -j ${chain}`].join(' ');
}

/** Writes one rule as several lines, or none: iptables has no word for a set, or for a choice among several marks. */
function ruleLines(
  chain: string,
  { when, action, comment }: Rule,
  sets: ReadonlyMap<string, SetPlan>,
): string[] {
  const note = comment === undefined ? [] : [`-m comment --comment "${comment}"`];
  return expandSets(when, sets).flatMap((matches) => {
    const words = [...matches, ...note];
    const endings =
      action?.kind === 'choose'
        ? choiceWords(action.choice)
        : [action === undefined ? [] : [actionWords(action)]];
    return endings.map((ending) => ['-A', chain, ...words, ...ending].join(' '));
  });
}

/** The words of all matches, repeated for each element of the set that one of them uses. */
function expandSets(when: readonly Match[], sets: ReadonlyMap<string, SetPlan>): string[][] {
  let lines: string[][] = [[]];
  for (const match of when) {
    const words = 'set' in match ? setWords(match, sets.get(match.set)) : [matchWords(match)];
    lines = lines.flatMap((line) => words.map((word) => [...line, word]));
  }
  return lines;
}

/** A match with a set: one for each element, or one that asks the kernel. Only networks are kept by the kernel. */
function setWords(match: SetMatch, set: SetPlan | undefined): string[] {
  if (set?.held === undefined) return (set?.elements ?? []).map((one) => memberWords(match, one));
  const not = match.not ? '! ' : '';
  return [`-m set ${not}--match-set ${set.held} ${match.kind === 'source-in' ? 'src' : 'dst'}`];
}

type SetMatch = Extract<Match, { set: string }>;

const MEMBER: Readonly<Record<SetMatch['kind'], string>> = {
  'source-in': '-s',
  'destination-in': '-d',
  'translated-in': '-m conntrack --ctrepldst',
  'in-in': '-i',
  'out-in': '-o',
  'mac-in': '-m mac --mac-source',
  'mark-in': '-m mark --mark',
};

/** A match with one element of a set. */
export function memberWords({ kind }: SetMatch, element: string): string {
  return `${MEMBER[kind]} ${element}`;
}

/** A match that uses no set. */
export function matchWords(match: Exclude<Match, SetMatch>): string {
  const not = 'not' in match && match.not ? '! ' : '';
  switch (match.kind) {
    case 'mark':
    case 'connmark':
      return `-m ${match.kind} ${not}--mark ${bits(match.bits)}`;
    case 'in':
      return `${not}-i ${match.device}`;
    case 'out':
      return `${not}-o ${match.device}`;
    case 'words':
      return match.text;
    case 'source':
      return `${not}-s ${match.network}`;
    case 'destination':
      return `${not}-d ${match.network}`;
    case 'translated':
      return `-m conntrack --ctrepldst ${match.network}`;
    case 'source-range':
      return `-m iprange ${not}--src-range ${match.range}`;
    case 'destination-range':
      return `-m iprange ${not}--dst-range ${match.range}`;
    case 'in-ipset':
      return `-m set ${not}--match-set ${match.ipset} dst`;
    case 'transport':
      return [
        `-p ${match.proto}`,
        ...(match.sport === undefined ? [] : [`--sport ${ports(match.sport)}`]),
        ...(match.dport === undefined ? [] : [`--dport ${ports(match.dport)}`]),
      ].join(' ');
    case 'protocol':
      return `${not}-p ${match.number}`;
    case 'source-ports':
      return portWords('sport', match);
    case 'destination-ports':
      return portWords('dport', match);
    case 'mac':
      return `-m mac ${not}--mac-source ${match.address}`;
    case 'dscp':
      return `-m dscp ${not}--dscp ${hex(match.value)}`;
    case 'time': {
      const days =
        match.days.length === 7 ? '' : ` --weekdays ${match.days.map((day) => DAYS[day]).join(',')}`;
      return `-m time --timestart ${clock(match.from)} --timestop ${clock(match.to)}${days}`;
    }
    case 'user':
      return `-m owner ${not}--uid-owner ${match.low === match.high ? match.low : `${match.low}-${match.high}`}`;
    case 'ipsec':
      return `-m policy --dir ${match.direction} --pol ipsec`;
    case 'icmp':
      return icmpWords(match.family, match.error);
    case 'source-type':
      return `-m addrtype ${not}--src-type ${match.type.toUpperCase()}`;
    case 'destination-type':
      return `-m addrtype ${not}--dst-type ${match.type.toUpperCase()}`;
    case 'state': {
      const direction = match.direction === undefined ? '' : ` --ctdir ${match.direction.toUpperCase()}`;
      const status = match.unanswered ? ' ! --ctstatus SEEN_REPLY' : '';
      return `-m conntrack ${not}--ctstate ${match.state.toUpperCase()}${status}${direction}`;
    }
  }
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

function clock(seconds: number): string {
  return [seconds / 3600, (seconds / 60) % 60, seconds % 60]
    .map((part) => String(Math.floor(part)).padStart(2, '0'))
    .join(':');
}

/** Types and codes of RFC 792 and RFC 4443. */
const ICMP_TYPES: Readonly<Record<Family, Readonly<Record<IcmpError, string>>>> = {
  4: { 'net-unreachable': '3/0', 'host-unreachable': '3/1' },
  6: { 'net-unreachable': '1/0', 'host-unreachable': '1/3' },
};

function icmpWords(family: Family, error: IcmpError | undefined): string {
  const [proto, match, type] =
    family === 6 ? ['ipv6-icmp', 'icmp6', 'icmpv6-type'] : ['icmp', 'icmp', 'icmp-type'];
  const kind = error === undefined ? '' : ` -m ${match} --${type} ${ICMP_TYPES[family][error]}`;
  return `-p ${proto}${kind}`;
}

function bits({ value, mask }: MarkBits): string {
  return `${hex(value)}/${hex(mask)}`;
}

function portWords(
  side: 'sport' | 'dport',
  { ports: ranges, proto, not }: Extract<Match, { kind: 'source-ports' | 'destination-ports' }>,
): string {
  const words = `${not ? '! ' : ''}--${side}`;
  const list = ranges.map(ports).join(',');
  return proto === undefined ? `-m multiport ${words}s ${list}` : `-m ${proto} ${words} ${list}`;
}

function ports({ low, high }: PortRange): string {
  return low === high ? `${low}` : `${low}:${high}`;
}

/** The words of an action that is a single rule. */
export function actionWords(action: Exclude<Action, { kind: 'choose' }>): string {
  switch (action.kind) {
    case 'return':
    case 'accept':
    case 'masquerade':
      return `-j ${action.kind.toUpperCase()}`;
    case 'goto':
      return `-g ${action.chain}`;
    case 'jump':
      return `-j ${action.chain}`;
    case 'restore':
    case 'save':
      return `-j CONNMARK --${action.kind}-mark --nfmask ${hex(action.mask)} --ctmask ${hex(action.mask)}`;
    case 'set-mark':
      return `-j MARK --set-xmark ${bits(action.bits)}`;
    case 'set-connmark':
      return `-j CONNMARK --set-xmark ${bits(action.bits)}`;
    case 'queue':
      return `-j NFQUEUE ${queues(action.first, action.last)} --queue-bypass`;
    case 'remember':
      return `-j SET --add-set ${action.set} src --exist --timeout ${action.seconds}`;
    case 'forget':
      return `-j SET --del-set ${action.set} src`;
    case 'snat':
      return `-j SNAT --to-source ${action.address}`;
    case 'netmap':
      return `-j NETMAP --to ${action.prefix}`;
    case 'dnat':
      return `-j DNAT --to-destination ${action.to}`;
    case 'log':
      return `-j LOG --log-prefix "${action.prefix}"`;
  }
}

/**
 * Several queues are chosen by the packet's addresses, so all packets of a flow before its verdict meet the same memory
 * of decisions. With --queue-cpu-fanout they might meet two, which decide independently.
 */
function queues(first: number, last: number): string {
  return first === last ? `--queue-num ${first}` : `--queue-balance ${first}:${last}`;
}

/**
 * A choice as rules that are tried one after the other. Each sees only what those before it left, and its share is of
 * that: w / (what is left), not w / (all). The last one takes the rest and has no statistic match. The match on the
 * mark comes first, because the counter of `--mode nth` counts each packet that the matches before it let through.
 *
 * `random` has no state: neither a rewritten table nor the rhythm of a client changes the shares. `nth` has a rule for
 * each slot of the rotation; --every is how many slots are left, and --packet 0 means that the first packet matches
 * (libxt_statistic's statistic_check: count = every - packet).
 */
function choiceWords({ mask, mode, shares, undecided: value = 0 }: Choice): string[][] {
  const undecided = `-m mark --mark ${bits({ value, mask })}`;
  const line = ({ value }: Pick<Share, 'value'>, draw: readonly string[]) => [
    undecided,
    ...draw,
    `-j MARK --set-xmark ${bits({ value, mask })}`,
  ];
  if (mode === 'nth') {
    const all = rotation(shares);
    return all.map((share, i) => {
      const left = all.length - i;
      return line(share, left === 1 ? [] : [`-m statistic --mode nth --every ${left} --packet 0`]);
    });
  }
  let left = shares.reduce((sum, { weight }) => sum + weight, 0);
  return shares.map((share, i) => {
    const part = share.weight / left;
    left -= share.weight;
    const draw = `-m statistic --mode random --probability ${probability(part)}`;
    return line(share, i === shares.length - 1 ? [] : [draw]);
  });
}

/**
 * The kernel compares 31 random bits with probability * 2^31 (statistic_mt); iptables reads and prints 11 digits
 * without loss. Rounding never gives a target nothing or everything.
 */
function probability(part: number): string {
  const whole = 2 ** 31;
  const steps = Math.min(Math.max(Math.floor(part * whole + 0.5), 1), whole - 1);
  return (steps / whole).toFixed(11);
}
