import { FAMILIES } from '../core/family.js';
import { CHANCE, chiSquare, limit } from './chi-square.js';
import type { LabFlow } from './lab.js';
import type { LabWan } from './network.js';
import type { Decision } from './wanmark.js';

/** A connection that the lab opened. */
export interface DrivenFlow extends LabFlow {
  readonly origin: 'client' | 'router';
}

/** One WAN in the report. */
export interface WanResult {
  readonly name: string;
  readonly mark: number;
  readonly weight: number;
  readonly tier: number;
  /** Connections that the WAN should have; null where the strategy promises no number. */
  readonly expected: number | null;
  /** Connections that the daemon gave the WAN; null without a daemon. */
  readonly decided: number | null;
  /** Connections that the server saw by this WAN. */
  readonly seen: number;
  /** The part of `seen` that clients opened, and the part that the router opened. */
  readonly forwarded: number;
  readonly originated: number;
}

/** What an experiment has shown. */
export interface Verdict {
  readonly wans: readonly WanResult[];
  /** A sentence for each disagreement; empty when everything agrees. */
  readonly problems: readonly string[];
}

/** The share of each WAN, with a sum of 1; undefined where the strategy promises none. */
export function shares(strategy: string, wans: readonly LabWan[]): number[] | undefined {
  const usable = wans.filter((wan) => wan.weight > 0);
  const tier = Math.min(...usable.map((wan) => wan.tier));
  const inTier = (wan: LabWan) => wan.weight > 0 && wan.tier === tier;
  const weigh: Record<string, (wan: LabWan) => number> = {
    'round-robin': (wan) => (inTier(wan) ? 1 : 0),
    weighted: (wan) => (inTier(wan) ? wan.weight : 0),
    random: (wan) => (inTier(wan) ? wan.weight : 0),
    'kernel-random': (wan) => (inTier(wan) ? wan.weight : 0),
    'kernel-nth': (wan) => (inTier(wan) ? wan.weight : 0),
    failover: (wan) => (wan === usable.find(inTier) ? 1 : 0),
  };
  const weight = weigh[strategy];
  if (!weight) return undefined;
  const sum = wans.reduce((total, wan) => total + weight(wan), 0);
  return wans.map((wan) => weight(wan) / sum);
}

function key({
  proto,
  src,
  sport,
  dst,
  dport,
}: Pick<Decision, 'proto' | 'src' | 'sport' | 'dst' | 'dport'>): string {
  return `${proto} ${src} ${sport} > ${dst} ${dport}`;
}

/** "12 connections ...: the first is tcp 10.0.0.11 1024 > ..." */
function example(flows: readonly DrivenFlow[], what: string): string {
  const [first] = flows as [DrivenFlow, ...DrivenFlow[]];
  return `${flows.length} connection${flows.length === 1 ? '' : 's'} ${what}; the first: ${key(first)}`;
}

function groupBy<T>(items: readonly T[], name: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(name(item));
    if (group) group.push(item);
    else groups.set(name(item), [item]);
  }
  return groups;
}

/**
 * Compares each connection: did the server see it by the WAN that was decided for it? Without a daemon: did it see the
 * connection by any WAN?
 */
function compare(flows: readonly DrivenFlow[], decisions: readonly Decision[] | undefined): string[] {
  if (decisions === undefined) {
    const lost = groupBy(
      flows.filter((flow) => flow.wan === undefined),
      (flow) => (flow.error === undefined ? 'seen by no WAN' : `failed (${flow.error})`),
    );
    return [...lost].map(([what, some]) => example(some, what));
  }
  const decided = groupBy(decisions, key);
  const driven = new Set(flows.map(key));
  const problems: string[] = [];
  const report = (group: Map<string, DrivenFlow[]>, what: (name: string) => string) => {
    for (const [name, some] of group) problems.push(example(some, what(name)));
  };
  const failed = flows.filter((flow) => flow.error !== undefined);
  const fine = flows.filter((flow) => flow.error === undefined);
  report(
    groupBy(failed, (flow) => flow.error!),
    (error) => `failed (${error})`,
  );
  const wrong = fine.filter((flow) => {
    const wan = decided.get(key(flow))?.[0]?.wan;
    return wan !== undefined && wan !== flow.wan;
  });
  report(
    groupBy(
      wrong,
      (flow) => `decided for ${decided.get(key(flow))![0]!.wan}, seen by ${flow.wan ?? 'no WAN'}`,
    ),
    (what) => what,
  );
  const undecided = fine.filter((flow) => !decided.has(key(flow)));
  if (undecided.length > 0) problems.push(example(undecided, 'without a decision'));
  const twice = fine.filter((flow) => (decided.get(key(flow))?.length ?? 0) > 1);
  if (twice.length > 0) problems.push(example(twice, 'decided more than once'));
  const [strange, ...more] = decisions.filter((decision) => !driven.has(key(decision)));
  if (strange) {
    problems.push(
      `${more.length + 1} decision${more.length > 0 ? 's' : ''} for connections that the lab did not make; the first: ${key(strange)}`,
    );
  }
  return problems;
}

/** Compares the counts with what the strategy promises. */
function judge(strategy: string, results: readonly WanResult[], exact: boolean): string[] {
  // The kernel rotates for each family separately, so two rounds may be unfinished.
  const slack = strategy === 'kernel-nth' ? 2 : 1;
  if (strategy === 'random' || strategy === 'kernel-random') {
    const statistic = chiSquare(
      results.map(({ seen }) => seen),
      results.map(({ expected }) => expected!),
    );
    const highest = limit(results.filter(({ expected }) => expected! > 0).length - 1);
    if (statistic <= highest) return [];
    const odds = `a correct choice exceeds ${highest.toFixed(1)} once in ${(1 / CHANCE).toLocaleString('en')} runs`;
    return [`the counts are not random by weight: chi-square ${statistic.toFixed(1)}; ${odds}`];
  }
  return results
    .filter(({ expected, seen }) => {
      if (expected === null) return false;
      return exact || expected === 0 ? seen !== expected : Math.abs(seen - expected) > slack;
    })
    .map(({ name, expected, seen }) => `${name} should have ${round(expected!)} connections and has ${seen}`);
}

/** Rounds a share times a count where it misses a whole number only by the share's rounding. */
function rounded(value: number): number {
  return Math.abs(value - Math.round(value)) < 1e-6 ? Math.round(value) : value;
}

function round(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(1);
}

/** Checks that the connections of each client address are on one WAN. */
function judgeSticky(flows: readonly DrivenFlow[]): string[] {
  return [...groupBy(flows, (flow) => flow.src)].flatMap(([src, group]) => {
    const wans = [...new Set(group.map((flow) => flow.wan ?? 'no WAN'))];
    return wans.length > 1
      ? [`connections of ${src} are on ${wans.join(' and ')}, and should be on one WAN`]
      : [];
  });
}

/**
 * Compares what the server saw with what was decided and with what the strategy promises. For round-robin, weighted and
 * failover the counts must be exact when the connections fill whole rounds, else right within 1; for the kernel's
 * rotation they must be exact when the connections of each family fill whole rounds.
 * @param decisions undefined where no daemon ran
 */
export function judgeRun(
  strategy: string,
  wans: readonly LabWan[],
  flows: readonly DrivenFlow[],
  decisions: readonly Decision[] | undefined,
): Verdict {
  const share = shares(strategy, wans);
  const results = wans.map((wan, i): WanResult => {
    const seen = flows.filter((flow) => flow.wan === wan.name);
    const forwarded = seen.filter((flow) => flow.origin === 'client').length;
    return {
      name: wan.name,
      mark: wan.number,
      weight: wan.weight,
      tier: wan.tier,
      expected: share ? rounded(share[i]! * flows.length) : null,
      decided: decisions?.filter((decision) => decision.wan === wan.name).length ?? null,
      seen: seen.length,
      forwarded,
      originated: seen.length - forwarded,
    };
  });
  const rotations =
    strategy === 'kernel-nth'
      ? FAMILIES.map((family) => flows.filter((flow) => flow.family === family).length)
      : [flows.length];
  const exact = rotations.every((count) => share?.every((part) => Number.isInteger(rounded(part * count))));
  return {
    wans: results,
    problems: [
      ...compare(flows, decisions),
      ...(flows.some((flow) => flow.error) ? [] : judge(strategy, results, exact)),
      ...(strategy === 'source-hash' ? judgeSticky(flows) : []),
    ],
  };
}
