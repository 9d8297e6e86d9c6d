import { isDeepStrictEqual } from 'node:util';
import type { CheckConfig } from '../config/check.js';
import { FAMILIES, type Family } from '../core/family.js';
import type { RunProgram } from '../system/programs.js';
import type { Check, CheckPath } from './check/check.js';
import { NameCache } from './check/names.js';
import { CheckHealth, type Latest, type Probes } from './check-health.js';
import { type CheckTools, makeCheck } from './checks.js';
import { type Clock, systemClock } from './clock.js';
import type { Finding, Health } from './health.js';
import { RoundLoop } from './round-loop.js';

/** First rounds are spread over no more than this, since a WAN that is dead at the start should be known soon. */
const SPREAD_MS = 1000;

/** How one target is watched. */
export interface MonitorOptions {
  /** The names of the WANs that `all` stands for. */
  readonly wans: readonly string[];
  readonly checks: readonly CheckConfig[];
  /** Takes the findings of the checks. Other sources may report to it, too. */
  readonly health: Health;
  /** The way by a WAN, asked for before each round; undefined while the WAN has none in this family. */
  readonly path: (wan: string, family: Family) => CheckPath | undefined;
  /** Whether a WAN is down until its checks have passed once; by default none is. */
  readonly startsDown?: (wan: string, family: Family) => boolean;
  /** Why a WAN was down when an earlier daemon ended; undefined where it was not, or is not known. */
  readonly wasDown?: (wan: string, family: Family) => string | undefined;
  /** Told of each round that decided nothing. */
  readonly onUnknown?: (wan: string, report: CheckReport) => void;
  /** Called before a wait of the health ends, to report what would be news to it. */
  readonly beforeDue?: () => void;
  /**
   * Told of each round that leaves its WAN without a failure, after the health knows it.
   * @param began when the round began, in milliseconds of the clock
   */
  readonly onPassed?: (wan: string, family: Family, began: number) => void;
  /** Told of each failed round, after the health knows it. @param why such as `tcp 10.0.0.3:80: timeout` */
  readonly onFailed?: (wan: string, family: Family, why: string) => void;
  readonly clock?: Clock;
  /** Returns 0 up to 1. */
  readonly random?: () => number;
  readonly make?: (config: CheckConfig, tools: CheckTools) => Check;
  /** Runs scripts; as this process by default. */
  readonly run?: RunProgram | undefined;
}

/** One check of one WAN in one family, and what it found last. */
export interface CheckReport extends Latest {
  readonly config: CheckConfig;
  readonly family: Family;
  /** What became of the probes to each target since the start. */
  readonly probes: readonly Readonly<Probes>[];
}

/** A check of one WAN in one family. */
interface Job {
  readonly wan: string;
  readonly family: Family;
  readonly config: CheckConfig;
  readonly check: Check;
  /** See {@link Finding.source}. */
  readonly source: string;
}

interface Watched extends Omit<Job, 'check'> {
  readonly health: CheckHealth;
  readonly loop: RoundLoop;
}

/** What is watched, and how. */
export type Watching = Pick<MonitorOptions, 'wans' | 'checks'>;

/**
 * Runs the checks of all WANs in parallel and reports what they find to the health, from construction on until {@link
 * Monitor.stop}.
 */
export class Monitor {
  readonly #options: MonitorOptions;
  readonly #health: Health;
  readonly #clock: Clock;
  readonly #tools: CheckTools;
  #watched: readonly Watched[] = [];
  /** How many sources have had a name. */
  #sources = 0;
  /** Settles when the checks that were given up have ended. */
  #ended: Promise<unknown> = Promise.resolve();
  #cancelTick = () => {};
  #stopped = false;

  constructor(options: MonitorOptions) {
    this.#options = options;
    this.#health = options.health;
    this.#clock = options.clock ?? systemClock;
    this.#tools = { names: new NameCache(), ...(options.run && { run: options.run }) };
    this.watch(options);
  }

  /**
   * Goes over to other WANs and checks. A check that is the same goes on as if nothing had happened; one in the place of
   * another begins its rounds anew with what that one has decided.
   */
  watch({ wans, checks }: Watching): void {
    const before = [...this.#watched];
    const jobs = this.#jobs(wans, checks);
    const same = (job: Job) => {
      const at = before.findIndex((one) => isSame(one, job));
      return at < 0 ? undefined : before.splice(at, 1)[0];
    };
    const kept = jobs.map(same);
    const findings: Finding[] = [];
    this.#watched = jobs.map((job, i) => {
      if (kept[i] !== undefined) return kept[i];
      const at = before.findIndex(({ wan, family }) => wan === job.wan && family === job.family);
      const replaced = at < 0 ? undefined : before.splice(at, 1)[0];
      if (replaced !== undefined) findings.push(this.#end(replaced));
      const started = this.#start(
        job,
        (i / jobs.length) * Math.min(job.config.intervalMs, SPREAD_MS),
        replaced,
      );
      const { wan, family, source, health } = started;
      if (replaced !== undefined) findings.push({ wan, family, source, verdict: health.verdict });
      return started;
    });
    findings.push(...before.map((one) => this.#end(one)));
    this.#health.reportAll(findings, this.#clock.now());
    this.awaitHolds();
  }

  #jobs(wans: Watching['wans'], checks: Watching['checks']): Job[] {
    const { make = makeCheck } = this.#options;
    return checks.flatMap((config) => {
      const check = make(config, this.#tools);
      const source = `check ${++this.#sources}`;
      const those = config.wan === 'all' ? wans : [config.wan];
      return those.flatMap((wan) =>
        FAMILIES.filter((family) => config.targets[family].length > 0).map((family) => ({
          wan,
          family,
          config,
          check,
          source,
        })),
      );
    });
  }

  /** Ends a check. @returns that it has no opinion any more */
  #end({ wan, family, source, loop }: Watched): Finding {
    this.#ended = Promise.all([this.#ended, loop.stop()]);
    return { wan, family, source, verdict: undefined };
  }

  /** @param replaced the check that this one goes on from */
  #start({ wan, family, config, check, source }: Job, firstAfterMs: number, replaced?: Watched): Watched {
    const { path, random = Math.random, onPassed, onFailed, onUnknown, startsDown, wasDown } = this.#options;
    const clock = this.#clock;
    const health = new CheckHealth(config, family, startsDown?.(wan, family), wasDown?.(wan, family));
    if (replaced !== undefined) health.inherit(replaced.health);
    else if (health.verdict !== undefined)
      this.#health.startDown(wan, family, source, health.verdict, clock.now());
    const loop = new RoundLoop(
      {
        config,
        targets: config.targets[family],
        check,
        path: () => path(wan, family),
        clock,
        random,
        intervalMs: () => health.intervalMs,
        onRound: (results, began) => {
          if (this.#health.excuses(wan, family, began)) return;
          const now = clock.now();
          const verdict = health.round(results, now);
          this.#health.report(wan, family, source, verdict, now);
          const { latest, probes } = health;
          if (latest?.unknown) onUnknown?.(wan, { config, family, probes, ...latest });
          this.awaitHolds();
          // A round that found nothing out passes nothing, though the verdict of those before it stands.
          if (verdict?.up === true && !verdict.shaky && !latest?.unknown) onPassed?.(wan, family, began);
          if (health.failing !== undefined && !health.latest?.unknown)
            onFailed?.(wan, family, health.failing);
        },
      },
      firstAfterMs,
    );
    return { wan, family, config, source, health, loop };
  }

  /** What the checks of a WAN found in their last rounds; those without a round are left out. */
  latest(wan: string): readonly CheckReport[] {
    return this.#watched
      .filter((one) => one.wan === wan)
      .flatMap(({ config, family, health: { latest, probes } }) =>
        latest === undefined ? [] : [{ config, family, probes, ...latest }],
      );
  }

  /** The checks of a WAN whose first round is not over. */
  awaited(wan: string): readonly Pick<CheckReport, 'config' | 'family'>[] {
    return this.#watched.filter((one) => one.wan === wan && one.health.latest === undefined);
  }

  /** Makes the next rounds of a WAN's checks begin at once, since something speaks against it. */
  hurry(wan: string): void {
    for (const one of this.#watched) if (one.wan === wan) one.loop.hurry();
  }

  /** Why a check of a WAN failed in its last round; undefined where none did. */
  failing(wan: string): string | undefined {
    return this.#watched.find((one) => one.wan === wan && one.health.failing !== undefined)?.health.failing;
  }

  /** Sets the timer for the end of the next wait; to be called after any other report to the health. */
  awaitHolds(): void {
    this.#cancelTick();
    const due = this.#health.nextDue();
    if (due === undefined || this.#stopped) return;
    this.#cancelTick = this.#clock.after(Math.max(0, due - this.#clock.now()), () => {
      this.#options.beforeDue?.();
      this.#health.tick(this.#clock.now());
      this.awaitHolds();
    });
  }

  /** Cancels the rounds under way; nothing is reported afterwards. May be called again. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTick();
    await Promise.all([this.#ended, ...this.#watched.map(({ loop }) => loop.stop())]);
  }
}

function isSame(one: Omit<Job, 'check' | 'source'>, other: Omit<Job, 'check' | 'source'>): boolean {
  return one.wan === other.wan && one.family === other.family && isDeepStrictEqual(one.config, other.config);
}
