import type { MachineSize } from './big-machine.js';

/** How much the benchmark measures. */
export interface Size {
  readonly rounds: number;
  /** Length of each measurement. */
  readonly seconds: number;
  /** New connections a second. */
  readonly rates: readonly number[];
  readonly connectRate: number;
  readonly logRate: number;
  readonly latency: { readonly rates: readonly number[]; readonly rounds: number; readonly seconds: number };
  readonly readers: { readonly rate: number; readonly rounds: number; readonly seconds: number };
  readonly highest: { readonly from: number; readonly steps: number; readonly rounds: number };
  readonly tracked: {
    readonly few: number;
    readonly many: number;
    readonly count: number;
    readonly rate: number;
    /** How long the many connections are held while few new ones come. */
    readonly holdSeconds: number;
  };
  readonly machine: MachineSize & { readonly seconds: number };
}

/** A smoke run of seconds, whose figures mean nothing. */
export const SMALL: Size = {
  rounds: 1,
  seconds: 0.2,
  rates: [2_000],
  connectRate: 500,
  logRate: 2_000,
  latency: { rates: [1_000], rounds: 1, seconds: 0.2 },
  readers: { rate: 1_000, rounds: 1, seconds: 0.2 },
  highest: { from: 2_000, steps: 3, rounds: 1 },
  tracked: { few: 100, many: 5_000, count: 1_000, rate: 2_000, holdSeconds: 1 },
  machine: { wans: 3, devices: 20, routes: 200, seconds: 1 },
};

export const FULL: Size = {
  rounds: 5,
  seconds: 2,
  rates: [40_000, 100_000],
  connectRate: 5_000,
  logRate: 20_000,
  // An even number of rounds, so that each contender runs before and after each other one equally often.
  latency: { rates: [1_000, 20_000], rounds: 10, seconds: 3 },
  readers: { rate: 2_000, rounds: 10, seconds: 3 },
  // With steps of a tenth the last rate is 197,000 a second.
  highest: { from: 20_000, steps: 25, rounds: 3 },
  tracked: { few: 1_000, many: 300_000, count: 20_000, rate: 4_000, holdSeconds: 20 },
  machine: { wans: 60, devices: 1_000, routes: 15_000, seconds: 20 },
};

/** The limits to hold: ratios within one run, and milliseconds and MB for the start. */
export const LIMIT = {
  textbook: 0.9,
  npm: 0.5,
  machine: 1.5,
  log: 1.6,
  policies: 1.15,
  latency: 1.5,
  latencyRate: 20_000,
  readers: 1.1,
  aheadStatistic: 1.05,
  aheadNothing: 1.3,
  aheadLatency: 1.2,
  tracked: 1.1,
  trackedMb: 100,
  startMs: 400,
  upMs: 2_000,
  followMs: 300,
  churn: 3,
  memoryMb: 80,
} as const;
