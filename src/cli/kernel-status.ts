import type { Config } from '../config/config.js';
import type { KernelStatus, TrafficStatus } from '../control/status.js';
import type { ByteCount } from '../core/byte-meter.js';
import type { Event } from '../core/event.js';
import { MonthCounts, parseKeptMonth } from '../core/month-counts.js';
import type { Standing } from '../core/states.js';
import { targetId } from '../core/target.js';
import { type Wan, wanTarget } from '../core/wan.js';
import { withShares } from '../daemon/shares.js';
import { sharesDevice } from '../plan/counted.js';
import type { PlanStates } from '../plan/states.js';
import { listConnections, listedConfig } from '../system/connection-list.js';
import { installedConfig, readInstalled, rulesAreUp } from '../system/installed.js';
import { journalPath, readJournal } from '../system/journal.js';
import { readState, statePath } from '../system/state-file.js';
import { counterReadings, deviceCounts, ruleCounts } from '../system/wan-counters.js';

type StateEvent = Extract<Event, { kind: 'state' }>;

/**
 * What the rules, the kernel's counters and the state on disk tell without a daemon; undefined where the rules are not up.
 * @param socket that of the daemon that is not there, whose bytes of the month are shown
 */
export async function readKernelStatus(socket: string): Promise<KernelStatus | undefined> {
  const installed = rulesAreUp() ? readInstalled() : undefined;
  if (installed === undefined) return undefined;
  const config = installedConfig(installed);
  const { wans, policies, rules } = config;
  const { states } = installed;
  const counts = new Map([...deviceCounts(wans), ...(await ruleCounts(wans, installed))]);
  const months = monthsOf(socket);
  months?.read(counterReadings(wans, counts), new Date(), 0);
  const changes = latestChanges();
  const stateOf = new Map(wans.map((wan) => [wan.name, standingOf(states, wan)]));
  const all = wans.map((wan) => {
    const { name, mark, dev, tier } = wan;
    const state = stateOf.get(name)!;
    const change = changes.get(name);
    const known = change?.state === state ? change : undefined;
    return {
      name,
      mark,
      dev,
      weight: weightOf(states, wan),
      tier,
      state,
      since: known?.at ?? null,
      reason: known?.reason ?? null,
      connections: connectionsOf(config, name),
      traffic: trafficOf(wan, wans, counts.get(name), months),
    };
  });
  return {
    pid: null,
    engine: rules.engine,
    wans: withTargets(all),
    policies: policies.used.map(({ name, none, members }) => ({
      name,
      none: typeof none === 'string' ? none : none.policy,
      wans: withTargets(
        members.map(({ wan, weight, tier }) => ({ name: wan, weight, tier, state: stateOf.get(wan)! })),
      ),
    })),
    notes: [],
  };
}

/** Adds the part of new connections that each gets by its weight. */
function withTargets<Line extends { name: string; weight: number; tier: number; state: Standing }>(
  lines: readonly Line[],
): (Line & { readonly target: number })[] {
  const shares = withShares(lines.map((line) => ({ ...line, mark: 0, connections: null, picks: 0 })));
  return lines.map((line, i) => ({ ...line, target: shares[i]!.target }));
}

function weightOf({ weights }: PlanStates, { name, weight }: Wan): number {
  return weights.get(name) ?? weight;
}

/** The state that the rules go by. */
function standingOf(states: PlanStates, wan: Wan): Standing {
  const ids = wanTarget(wan).families.map((family) => targetId(wan.name, family));
  const taking = ids.filter((id) => !states.down.has(id));
  if (taking.length === 0) return 'down';
  if (weightOf(states, wan) === 0) return 'drain';
  return taking.every((id) => states.suspected.has(id)) ? 'suspected' : 'up';
}

function trafficOf(
  wan: Wan,
  wans: readonly Wan[],
  count: ByteCount | undefined,
  months: MonthCounts | undefined,
): TrafficStatus | null {
  if (count === undefined) return null;
  return {
    inBytes: count.in,
    outBytes: count.out,
    inBitsPerSecond: null,
    outBitsPerSecond: null,
    counter: sharesDevice(wan, wans) ? 'rules' : 'device',
    month: months?.of(wan.name) ?? null,
  };
}

/** What the daemon last knew of the month; undefined where it has written nothing that we may read. */
function monthsOf(socket: string): MonthCounts | undefined {
  try {
    const kept = parseKeptMonth(readState(statePath(socket, 'month')));
    return kept && new MonthCounts(kept);
  } catch {
    return undefined;
  }
}

/** The last change of each WAN that the journal has; none where it cannot be read. */
function latestChanges(): ReadonlyMap<string, StateEvent> {
  try {
    const changes = readJournal(journalPath()).filter((event): event is StateEvent => event.kind === 'state');
    return new Map(changes.map((event) => [event.target, event]));
  } catch {
    return new Map();
  }
}

/** Null where conntrack cannot be read. */
function connectionsOf(config: Config, wan: string): number | null {
  try {
    return listConnections(listedConfig(config), { wan, limit: 1 }).found;
  } catch {
    return null;
  }
}
