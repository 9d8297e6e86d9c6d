import { median, ratio } from './stats.js';

/** What a connection cost. Only connections that the selector decided count, since a dropped one is cheap. */
export interface Cost {
  /** CPU time of the selector for each connection, in microseconds. */
  readonly selectorUs: number;
  /** CPU time of generator, selector and ksoftirqd together for each connection, in microseconds. */
  readonly machineUs: number;
  /** Connections a second that the generator reached. */
  readonly rate: number;
  /** Packets that were dropped or that the kernel had to decide. */
  readonly missed: number;
  /** The most memory that the selector had resident, in MB (10^6 bytes); undefined where there is no process. */
  readonly memory: number | undefined;
  /** Decisions for each WAN; undefined where the selector does not count them. */
  readonly picks: readonly number[] | undefined;
}

/** The figures that {@link medianOf} takes the median of. */
type Figure = 'selectorUs' | 'machineUs' | 'rate' | 'missed';

export function medianOf(costs: readonly Cost[], figure: Figure): number {
  return median(costs.map((cost) => cost[figure]));
}

/** The median over the rounds of `of` divided by `to`. */
export function ratioOf(figure: Figure, of: readonly Cost[], to: readonly Cost[]): number {
  return ratio(
    of.map((cost) => cost[figure]),
    to.map((cost) => cost[figure]),
  );
}

export const COST_HEAD = ['', 'selector, us', 'whole machine, us', 'ratio to the first', 'memory, MB'];
export const REACHED_HEAD = ['reached, /s', 'missed'];

/** The cells under {@link COST_HEAD}. */
export function costCells(name: string, costs: readonly Cost[], first: readonly Cost[]): string[] {
  const memory = costs.flatMap((cost) => cost.memory ?? []);
  const selects = memory.length > 0;
  return [
    name,
    selects ? medianOf(costs, 'selectorUs').toFixed(2) : '-',
    medianOf(costs, 'machineUs').toFixed(2),
    selects ? ratioOf('selectorUs', costs, first).toFixed(2) : '-',
    selects ? Math.max(...memory).toFixed(1) : '-',
  ];
}

/** The cells under {@link REACHED_HEAD}. */
export function reachedCells(costs: readonly Cost[]): string[] {
  return [medianOf(costs, 'rate').toFixed(0), String(medianOf(costs, 'missed'))];
}
