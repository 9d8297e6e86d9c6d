/**
 * The configurations of this folder: each has what a real one of mwan3, VyOS, EdgeOS or another program had
 * (docs/from-mwan3.md has the table), in words of our own, and in comments which way its author meant connections to go.
 *
 * ```
 * #: from 10.0.8.9 udp 5514 to 203.0.113.8: north+south > lte > refused
 * #: own v6: main
 * #: in eth1 tcp 443 sticky: north+south > main
 * #: in eth1 pairs: north+south > main
 * #ipset: cloud 203.0.113.64/27
 * ```
 * A comment with `#:` is about the rule after it. `sticky`: connections of one client keep to one uplink; `pairs`: those of one
 * client and one server. Behind the colon are the uplinks in the order in which the *source's* program
 * takes them, those with `+` between them in shares; what stands last, `refused` or `main` (the main table), holds when all
 * of them are down. They are written by hand from the source's rules, so that they know nothing of what we make of it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { Family } from '#wanmark/core/family.js';
import { ROOT } from '../docs/pages.js';

export const CORPUS = `${ROOT}test/corpus`;

/** Connections of a kind, and which way they go. */
export interface Intent {
  /** The line, for messages. */
  readonly text: string;
  /** The rule that it is about, as the source calls it; undefined for what no rule is for. */
  readonly rule: string | undefined;
  readonly family: Family;
  /** A client's address; undefined for any. */
  readonly from: string | undefined;
  /** The router's device that they come in by; undefined for the usual LAN. */
  readonly device: string | undefined;
  /** Whether the router itself makes them. */
  readonly own: boolean;
  readonly to: string;
  readonly proto: 'tcp' | 'udp';
  readonly port: number;
  /** Whether those of one client, or of one client and one server, keep to one uplink. */
  readonly sticky: 'client' | 'pair' | undefined;
  /** The groups of uplinks in their order. */
  readonly groups: readonly (readonly string[])[];
  /** What becomes of them when no uplink is left. */
  readonly end: End;
}

/** `branch` is a network that the main table reaches by a route of its own. */
export type End = 'refused' | 'main' | 'branch';

export interface Fixture {
  readonly name: string;
  /** Whose it is; one of a program that we do not read is written as ours. */
  readonly program: 'mwan3' | 'vyos' | 'wanmark';
  readonly path: string;
  /** OpenWrt's file of interfaces. */
  readonly network: string | undefined;
  readonly intents: readonly Intent[];
  /** The rules that the source has, as it calls them. */
  readonly rules: readonly string[];
  /** Sets that somebody else fills, with their networks. */
  readonly sets: ReadonlyMap<string, string>;
}

const ENDS: readonly string[] = ['refused', 'main', 'branch'] satisfies End[];
/** Where connections go that may go anywhere. */
const ANYWHERE = { 4: '198.18.0.1', 6: '2001:db8:77::1' } as const;
const ANY_PORT = 7777;
/** The line that a rule of mwan3 begins with, or one of a rule of VyOS or EdgeOS. */
const RULE = /^config rule '(.*)'|\brule (\d+)\b/;

/** All of them, by number. */
export function readCorpus(): readonly Fixture[] {
  return readdirSync(CORPUS)
    .filter((file) => /\.(mwan3|vyos|edgeos|yaml)$/.test(file))
    .sort()
    .map(readFixture);
}

function readFixture(file: string): Fixture {
  const path = `${CORPUS}/${file}`;
  const isMwan3 = file.endsWith('.mwan3');
  const lines = readFileSync(path, 'utf8').split('\n');
  const ruleOf = (line: string) => RULE.exec(line)?.slice(1).find(Boolean);
  return {
    name: file,
    program: isMwan3 ? 'mwan3' : file.endsWith('.yaml') ? 'wanmark' : 'vyos',
    path,
    network: isMwan3 ? path.replace(/mwan3$/, 'network') : undefined,
    rules: [...new Set(lines.filter((line) => !line.startsWith('#')).flatMap((line) => ruleOf(line) ?? []))],
    sets: new Map(
      lines.flatMap((line) => {
        const [, name, networks] = /^#ipset: (\S+) (.*)$/.exec(line) ?? [];
        return name === undefined ? [] : [[name, networks!] as const];
      }),
    ),
    intents: lines.flatMap((line, i) => {
      if (!line.startsWith('#: ')) return [];
      const next = lines.slice(i).find((one) => !one.startsWith('#')) ?? '';
      return [readIntent(line.slice(3), ruleOf(next))];
    }),
  };
}

function readIntent(text: string, rule: string | undefined): Intent {
  const [, match = '', way = ''] = /^(?:(.*): )?(.*)$/.exec(text)!;
  const words = match.split(' ').filter(Boolean);
  const after = (word: string) => (words.includes(word) ? words[words.indexOf(word) + 1] : undefined);
  const family = words.includes('v6') ? 6 : 4;
  const steps = way.split(' > ');
  const last = steps.at(-1)!;
  if (!ENDS.includes(last)) throw new Error(`"${text}" does not say what becomes of them in the end`);
  return {
    text,
    rule,
    family,
    from: after('from'),
    device: after('in'),
    own: words.includes('own'),
    to: after('to') ?? ANYWHERE[family],
    proto: words.includes('udp') ? 'udp' : 'tcp',
    port: Number(after('tcp') ?? after('udp') ?? ANY_PORT),
    sticky: words.includes('sticky') ? 'client' : words.includes('pairs') ? 'pair' : undefined,
    groups: steps.slice(0, -1).map((step) => step.split('+')),
    end: last as End,
  };
}

/** The uplinks that may carry them while some are down; or what becomes of them. */
export function wayOf({ groups, end }: Intent, down: readonly string[]): readonly string[] | End {
  const working = groups.map((group) => group.filter((name) => !down.includes(name)));
  return working.find((group) => group.length > 0) ?? end;
}
