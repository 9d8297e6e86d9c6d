import type { Config } from '../config/config.js';
import type { Pool } from '../core/pool.js';
import { backendName } from '../core/service.js';
import type { States } from '../core/states.js';
import { parseTargetId, splitTargetId, type TargetId } from '../core/target.js';
import type { UplinkMemory } from './uplinks.js';

/** The decisions for each member, by the name of the pool. */
export type Picks = Readonly<Record<string, Readonly<Record<string, number>>>>;

/**
 * What a daemon knows that the next one should know; times are milliseconds of the daemon's clock. What `wanmark set`
 * changed is not in it, since it lasts as long as the daemon.
 */
export interface DaemonMemory {
  readonly targets: ReadonlyMap<TargetId, UplinkMemory>;
  readonly picks: { readonly wans: Picks; readonly services: Picks };
}

/** The same in a file; the times are those of the system's clock since boot, which every process reads alike. */
interface Written {
  readonly format: 1;
  /** What each target is, since a name may mean another line by now. */
  readonly places: Readonly<Record<string, string>>;
  readonly targets: Readonly<Record<string, UplinkMemory>>;
  readonly picks: DaemonMemory['picks'];
}

/** One that chooses: the WANs, or the services. */
interface Chooser {
  readonly balancer: { readonly pools: readonly Pool[]; count(): void };
  memory(): ReadonlyMap<TargetId, UplinkMemory>;
}

export interface MemoryParts {
  readonly config: Pick<Config, 'wans' | 'services'>;
  readonly states: States;
  readonly wans: Chooser | undefined;
  readonly services: Chooser | undefined;
}

/** What the next daemon should know. @param bootMs how much the system's clock since boot is ahead of the daemon's */
export function remembered({ config, states, wans, services }: MemoryParts, bootMs: number): object {
  const all = [...(wans?.memory() ?? []), ...(services?.memory() ?? [])];
  const targets = all.filter(([id]) => !states.isByHand(splitTargetId(id).name));
  return {
    format: 1,
    places: placesOf(config),
    targets: Object.fromEntries(targets.map(([id, known]) => [id, shifted(known, bootMs)])),
    picks: { wans: picksOf(wans), services: picksOf(services) },
  } satisfies Written;
}

/**
 * What an earlier daemon knew of what this one has; undefined where it is not to be understood. A target of the same name
 * that is another line, or another server, begins anew.
 */
export function recalled(
  written: unknown,
  config: Pick<Config, 'wans' | 'services'>,
  bootMs: number,
): DaemonMemory | undefined {
  if ((written as Partial<Written> | undefined)?.format !== 1) return undefined;
  const { places, targets, picks } = written as Written;
  const now = placesOf(config);
  const isSame = (name: string) => now[name] !== undefined && now[name] === places[name];
  const ids = Object.entries(targets).flatMap(([text, known]): [TargetId, UplinkMemory][] => {
    const id = parseTargetId(text);
    return id !== undefined && isSame(splitTargetId(id).name) ? [[id, shifted(known, -bootMs)]] : [];
  });
  return { targets: new Map(ids), picks };
}

/** Gives the members of pools the numbers of decisions that an earlier daemon had made for them. */
export function takeUpPicks(pools: readonly Pool[], picks: Picks = {}): void {
  for (const pool of pools)
    for (const member of pool.members) member.picks += picks[pool.name]?.[member.target.name] ?? 0;
}

function picksOf(chooser: Chooser | undefined): Picks {
  chooser?.balancer.count();
  return Object.fromEntries(
    (chooser?.balancer.pools ?? []).map(({ name, members }) => [
      name,
      Object.fromEntries(members.map(({ target, picks }) => [target.name, picks])),
    ]),
  );
}

/** The device of each WAN, and the address of each backend, which its name has. */
function placesOf({ wans, services }: Pick<Config, 'wans' | 'services'>): Readonly<Record<string, string>> {
  const backends = services.flatMap((service) => service.backends.map((one) => backendName(service, one)));
  return Object.fromEntries([
    ...wans.map(({ name, dev, via, via6 }) => [name, [dev, via, via6].join(' ')] as const),
    ...backends.map((name) => [name, name] as const),
  ]);
}

function shifted(known: UplinkMemory, ms: number): UplinkMemory {
  const { since, notBefore } = known;
  return { ...known, since: since + ms, ...(notBefore === undefined ? {} : { notBefore: notBefore + ms }) };
}
