import { FAMILIES, type Family } from '../core/family.js';
import { ALIASES } from '../core/strategies/registry.js';
import type { Proto } from './agent/protocol.js';
import type { Lab } from './lab.js';
import type { NetworkOptions } from './network.js';
import { differences, snapshot } from './snapshot.js';
import { type DrivenFlow, judgeRun, type WanResult } from './verdict.js';
import { type Daemon, Wanmark } from './wanmark.js';

export interface ExperimentOptions {
  /** The argument of `wanmark run --strategy`. */
  readonly strategy: string;
  /** Where set, the kernel chooses (`wanmark up --engine kernel`), no daemon runs and `strategy` is not used. */
  readonly kernelMode?: 'random' | 'nth';
  readonly network: NetworkOptions;
  /** Connections of each kind, 1 to {@link MAX_CONNECTIONS}. */
  readonly connections: number;
  /** Shell commands that the router runs after `wanmark` is up and before the connections. */
  readonly exec?: string;
}

/** Callbacks for the progress of an experiment. */
export interface ExperimentEvents {
  readonly step: (what: string) => void;
  readonly progress: (done: number, total: number) => void;
}

/** The report, as `wanmark lab --json` prints it. Fields may be added, not renamed. */
export interface Report {
  /** The strategy's name; with the kernel engine `kernel-random` or `kernel-nth`. */
  readonly strategy: string;
  readonly sharedPort: boolean;
  readonly connections: number;
  readonly failed: number;
  readonly wans: readonly WanResult[];
  /** Counts of what the server saw by WAN, for each kind of connection: who started it, protocol and family. */
  readonly kinds: readonly {
    readonly kind: string;
    readonly connections: number;
    readonly seen: Readonly<Record<string, number>>;
  }[];
  readonly seconds: number;
  readonly problems: readonly string[];
  readonly agree: boolean;
}

/** Most connections of each kind: beyond, a host would have to use a source port again. */
export const MAX_CONNECTIONS = 20_000;

interface Kind {
  readonly origin: 'client' | 'router';
  readonly proto: Proto;
  readonly family: Family;
}

const label = ({ origin, proto, family }: Kind) => `${origin} ${proto} IPv${family}`;

function kinds(ipv6: boolean): Kind[] {
  const origins = ['client', 'router'] as const;
  const families: readonly Family[] = ipv6 ? FAMILIES : [4];
  return origins.flatMap((origin) =>
    families.flatMap((family) => (['tcp', 'udp'] as const).map((proto) => ({ origin, proto, family }))),
  );
}

/** Opens the connections of one kind after the other, so that whole rounds of a strategy fit each kind. */
async function drive(lab: Lab, options: ExperimentOptions, events: ExperimentEvents): Promise<DrivenFlow[]> {
  const all = kinds(lab.network.ipv6);
  const total = all.length * options.connections;
  const flows: DrivenFlow[] = [];
  for (const { origin, proto, family } of all) {
    const from = origin === 'router' ? lab.router : lab.client;
    const progress = (done: number) => events.progress(flows.length + done, total);
    const some = await lab.connect({ from, proto, family, count: options.connections, progress });
    flows.push(...some.map((flow) => ({ ...flow, origin })));
    events.progress(flows.length, total);
  }
  return flows;
}

/** Brings up the rules and, unless the kernel is to choose, the daemon. */
export async function bringUp(
  wanmark: Wanmark,
  { strategy, kernelMode }: ExperimentOptions,
  events: Pick<ExperimentEvents, 'step'>,
): Promise<Daemon | undefined> {
  const flags = kernelMode ? ['--engine', 'kernel', '--kernel-mode', kernelMode] : [];
  events.step(['wanmark up', ...flags].join(' '));
  await wanmark.up(...flags);
  if (kernelMode) return undefined;
  events.step(`wanmark run --strategy ${strategy}`);
  return wanmark.run('--strategy', strategy);
}

/** Brings wanmark up on the router, opens the connections, takes wanmark down and judges the result. */
export async function experiment(
  lab: Lab,
  options: ExperimentOptions,
  events: ExperimentEvents,
): Promise<Report> {
  const started = performance.now();
  const wanmark = new Wanmark(lab);
  const before = await snapshot(lab.router);
  const daemon = await bringUp(wanmark, options, events);
  if (options.exec !== undefined) await lab.router.sh(options.exec);
  const flows = await drive(lab, options, events);
  await daemon?.stop();
  events.step('wanmark down');
  await wanmark.down();
  const left = differences(before, await snapshot(lab.router));

  const strategy = options.kernelMode
    ? (`kernel-${options.kernelMode}` as const)
    : (ALIASES.get(options.strategy) ?? options.strategy);
  const verdict = judgeRun(strategy, lab.wans, flows, daemon?.decisions);
  // What the user's own commands left behind is not for "down" to remove.
  const problems = [...verdict.problems];
  if (left.length > 0 && options.exec === undefined) {
    problems.push(`"wanmark down" did not leave the router as it was: ${left.slice(0, 3).join(' | ')}`);
  }
  return {
    strategy,
    sharedPort: lab.network.sharedPort,
    connections: flows.length,
    failed: flows.filter((flow) => flow.error !== undefined).length,
    wans: verdict.wans,
    kinds: kinds(lab.network.ipv6).map((kind) => ({
      kind: label(kind),
      connections: options.connections,
      seen: countByWan(
        lab,
        flows.filter((flow) => label(flow) === label(kind)),
      ),
    })),
    seconds: Math.round(performance.now() - started) / 1000,
    problems,
    agree: problems.length === 0,
  };
}

function countByWan(lab: Lab, flows: readonly DrivenFlow[]): Record<string, number> {
  return Object.fromEntries(
    lab.wans.map(({ name }) => [name, flows.filter((flow) => flow.wan === name).length]),
  );
}
