import type { Family } from '../core/family.js';
import { ASKED_CHAIN } from '../plan/asking.js';
import type { Facts, Redirection } from '../plan/facts.js';
import type { MarkBits } from '../plan/plan.js';

/** The most rules that are copied; a machine with more of them is a cluster's node, whose rules change all the time. */
export const MOST_REDIRECTIONS = 64;
/** Matches that depend on the packet alone, so that they hold in a copy as well. A set could not be destroyed any more. */
const PURE = new Set(
  'tcp udp udplite sctp dccp multiport addrtype iprange pkttype socket conntrack comment'.split(' '),
);
/** Options that stand without `-m`. */
const PLAIN = new Set(['-p', '-s', '-d', '-i']);
/** Targets after which a packet goes on to the next rule. */
const PASSING = new Set(
  'LOG NFLOG MARK CONNMARK SET DSCP TOS TTL HL CT CLASSIFY TEE AUDIT TRACE TCPMSS'.split(' '),
);

/**
 * What other people's rules in PREROUTING do with a new connection, by the output of iptables-save: whether a program of
 * this router takes it (REDIRECT, TPROXY), DNAT leads it elsewhere, or MARK gives it one of the marks in `led`, which ip
 * rules lead. The order matters: the first that matches holds. What cannot be copied ends the list, so a connection may be
 * missing in it, but none is in it wrongly.
 */
export function readRedirections(saved: string, led: readonly MarkBits[] = []): Redirections {
  const tables = readTables(saved);
  const found: Redirection[] = [];
  const [mangle, nat] = ['mangle', 'nat'].map(
    (name) => new Reader(tables.get(name) ?? new Map(), name === 'mangle' ? led : []),
  ) as [Reader, Reader];
  if (mangle.read('PREROUTING', [], found)) nat.read('PREROUTING', [], found);
  const tooMany = found.length > MOST_REDIRECTIONS;
  const isPartial = tooMany || mangle.missed;
  return {
    redirections: tooMany ? [] : found,
    uncopied: (isPartial && mangle.takes('PREROUTING')) || mangle.takes('OUTPUT'),
  };
}

/** What other people's rules do with new connections, of one family. */
export interface Redirections {
  readonly redirections: Redirection[];
  /** Whether rules of mangle take or lead connections that are not in the list; OUTPUT's never are. */
  readonly uncopied: boolean;
}

/** What is to be said of a machine whose rules are not looked at. */
export const NOTHING_REDIRECTED: Readonly<Record<Family, Redirections>> = {
  4: { redirections: [], uncopied: false },
  6: { redirections: [], uncopied: false },
};

/** The facts of both families. */
export function redirectionFacts(
  all: Readonly<Record<Family, Redirections>>,
): Pick<Facts, 'redirections' | 'uncopied'> {
  return {
    redirections: { 4: all[4].redirections, 6: all[6].redirections },
    uncopied: { 4: all[4].uncopied, 6: all[6].uncopied },
  };
}

/**
 * The jumps of mangle that are to be the last of their chain (asking.ts) and have rules of others behind them, by the output of
 * iptables-save, each as `BASE CHAIN`.
 */
export function jumpsToMove(saved: string): Set<string> {
  const lines = saved.split('\n');
  const from = lines.indexOf('*mangle');
  const rules = lines.slice(from, from < 0 ? from : lines.indexOf('COMMIT', from));
  const lasts = ['PREROUTING', 'OUTPUT'].flatMap((base) => {
    const own = rules.filter((line) => line.startsWith(`-A ${base} `));
    const at = own.findIndex((line) => line.endsWith(`-j ${ASKED_CHAIN}`));
    return at >= 0 && at < own.length - 1 ? [`${base} ${ASKED_CHAIN}`] : [];
  });
  return new Set(lasts);
}

/** Conditions in words, option by option, such as `! -i lan0` and `-m tcp`. */
type Conditions = readonly string[];

interface SavedRule {
  /** Undefined where they hold only in their own place. */
  readonly conditions: Conditions | undefined;
  readonly target: string;
  /** The words behind the target. */
  readonly options: readonly string[];
  readonly isGoto: boolean;
}

type Chains = ReadonlyMap<string, readonly SavedRule[]>;

/** The rules of each table by chain; ours are left out. */
function readTables(saved: string): Map<string, Chains> {
  const tables = new Map<string, Map<string, SavedRule[]>>();
  let chains = new Map<string, SavedRule[]>();
  for (const line of saved.split('\n')) {
    if (line.startsWith('*')) {
      chains = new Map();
      tables.set(line.slice(1), chains);
    } else if (
      line.startsWith('-A ') &&
      !/^-A WANMARK|-j WANMARK(_[A-Z0-9]+|_(TO|BY)_[A-Za-z0-9._-]+)?$/.test(line)
    ) {
      const [, chain = '', ...words] = line.match(/"(?:\\.|[^"])*"|\S+/g) ?? [];
      chains.set(chain, [...(chains.get(chain) ?? []), readRule(words)]);
    }
  }
  return tables;
}

function readRule(words: readonly string[]): SavedRule {
  const at = words.findIndex((word) => word === '-j' || word === '-g');
  const [target = '', ...options] = at < 0 ? [] : words.slice(at + 1);
  const conditions = readConditions(at < 0 ? words : words.slice(0, at));
  return { conditions, target, options, isGoto: words[at] === '-g' };
}

/** The conditions without comments; undefined where one of them must not be copied. */
function readConditions(words: readonly string[]): Conditions | undefined {
  const all: string[] = [];
  for (const word of words) {
    const last = all.at(-1);
    if (last === undefined || word === '!' || (word.startsWith('-') && last !== '!')) all.push(word);
    else all[all.length - 1] = `${last} ${word}`;
  }
  const known = all.filter((one) => !/^-m comment$|^--comment /.test(one));
  return known.every(isPure) ? known : undefined;
}

/** Packets that nobody has marked are so in front of our rules, too (`-m mark --mark 0x0/0xff0000`, as pbr asks). */
const UNMARKED = /^--mark 0x0(\/|$)/;

function isPure(condition: string, i: number, all: Conditions): boolean {
  const [option = '', value = ''] = condition.replace('! ', '').split(' ');
  if (condition === '-m mark') return UNMARKED.test(all[i + 1] ?? '');
  return option === '-m' ? PURE.has(value) : option.startsWith('--') || PLAIN.has(option);
}

/**
 * The conditions of a rule with those under which its chain is entered; undefined where iptables has no words for both,
 * since an option like -s can stand only once.
 */
function both(outer: Conditions, inner: Conditions): Conditions | undefined {
  const single = (condition: string) => /^(?:! )?(-[a-ln-z]) /.exec(condition)?.[1];
  const added = inner.filter((condition) => single(condition) === undefined || !outer.includes(condition));
  const taken = new Set(outer.map(single).filter((option) => option !== undefined));
  return added.some((condition) => taken.has(single(condition) ?? '')) ? undefined : [...outer, ...added];
}

/** Walks through the chains of one table. */
class Reader {
  readonly #chains: Chains;
  readonly #led: readonly MarkBits[];
  /** Whether some of the rules could not be copied. */
  missed = false;

  constructor(chains: Chains, led: readonly MarkBits[]) {
    this.#chains = chains;
    this.#led = led;
  }

  /** @param outer the conditions under which the chain is entered @returns whether the rules behind it can be read */
  read(chain: string, outer: Conditions, found: Redirection[]): boolean {
    for (const { conditions, target, options, isGoto } of this.#chains.get(chain) ?? []) {
      const isLed = target === 'MARK' && conditions !== undefined && this.#leads(options);
      if ((PASSING.has(target) && !isLed) || target === '') continue;
      if (found.length > MOST_REDIRECTIONS) return false;
      const to = isLed ? 'table' : destination(target, options);
      const all = conditions && both(outer, conditions);
      if (all === undefined) {
        this.missed = true;
        if (to === 'router' || to === 'table') continue;
        return false;
      }
      if (!this.#chains.has(target)) found.push({ words: all.join(' '), to });
      else {
        if (!this.read(target, all, found)) return false;
        if (isGoto) found.push({ words: all.join(' '), to: 'nobody' });
      }
    }
    return true;
  }

  /** Whether some rule that a chain leads to takes packets, or gives them a mark that is led; whichever packets they are. */
  takes(chain: string, seen = new Set<string>()): boolean {
    if (seen.has(chain)) return false;
    seen.add(chain);
    return (this.#chains.get(chain) ?? []).some(
      ({ target, options }) =>
        target === 'TPROXY' ||
        (target === 'MARK' && this.#leads(options)) ||
        (this.#chains.has(target) && this.takes(target, seen)),
    );
  }

  /** Whether a packet that had no mark has one that is led, once MARK has set it. */
  #leads(options: readonly string[]): boolean {
    const [, given = ''] = /--set-x?mark (0x[0-9a-f]+)/i.exec(options.join(' ')) ?? [];
    return given !== '' && this.#led.some(({ value, mask }) => (Number(given) & mask) >>> 0 === value);
  }
}

function destination(target: string, options: readonly string[]): Redirection['to'] {
  if (target === 'REDIRECT' || target === 'TPROXY') return 'router';
  if (target !== 'DNAT') return 'nobody';
  const to = options[options.indexOf('--to-destination') + 1] ?? '';
  // One address, alone or with ports; ranges of addresses count as nobody's.
  const parts = /^(?:\[([^\]-]+)\]|([\d.]+))(?::[\d-]+)?$|^([\da-f:]+)$/i.exec(to) ?? [];
  return parts.slice(1).find((part) => part !== undefined) ?? 'nobody';
}
