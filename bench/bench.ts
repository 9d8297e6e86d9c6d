import { type Contender, ours } from './contender.js';
import { COST_HEAD, type Cost, costCells, REACHED_HEAD, reachedCells } from './cost.js';
import type { Field } from './field.js';
import type { Report } from './report.js';
import type { Size } from './size.js';

/** What every part of the benchmark is given. */
export interface Setting {
  readonly field: Field;
  readonly report: Report;
  readonly size: Size;
  /** How often each contender takes its turn; 1 or more. */
  readonly rounds: number;
  /** A directory for temporary files. */
  readonly directory: string;
  /** The other contenders that can run on this machine. */
  readonly others: readonly Contender[];
}

/** One part of the benchmark. */
export type Part = (bench: Bench) => Promise<void>;

export class Bench implements Setting {
  readonly field: Field;
  readonly report: Report;
  readonly size: Size;
  readonly rounds: number;
  readonly directory: string;
  readonly others: readonly Contender[];
  readonly own: Contender;

  constructor({ field, report, size, rounds, directory, others }: Setting) {
    this.field = field;
    this.report = report;
    this.size = size;
    this.rounds = rounds;
    this.directory = directory;
    this.others = others;
    this.own = this.ours('wanmark');
  }

  /** A contender that is `wanmark run` with these arguments. */
  ours(name: string, ...args: string[]): Contender {
    return ours(name, this.directory, ...args);
  }

  /** Those of `wanted` that can run on this machine, in the same order. */
  present(wanted: readonly Contender[]): Contender[] {
    return wanted.filter((one) => this.others.includes(one));
  }

  /**
   * Measures every contender once a round. The first one changes from round to round and every second round runs in
   * reverse order, so that other load on the machine falls on all contenders alike.
   */
  async compare<T>(
    contenders: readonly Contender[],
    measure: (contender: Contender) => Promise<T>,
    rounds = this.rounds,
  ): Promise<Map<Contender, T[]>> {
    const results = new Map<Contender, T[]>(contenders.map((one) => [one, []]));
    for (let round = 0; round < rounds; round++) {
      const first = round >> 1;
      const turn = contenders.map((_, i) => contenders[(first + i) % contenders.length]!);
      if (round % 2 === 1) turn.reverse();
      for (const one of turn) results.get(one)!.push(await measure(one));
    }
    return results;
  }

  /** Measures what datagrams at `rate` a second cost with each contender. */
  costs(contenders: readonly Contender[], rate: number): Promise<Map<Contender, Cost[]>> {
    const count = Math.round(rate * this.size.seconds);
    return this.compare(contenders, (one) => this.field.cost(one, count, rate));
  }

  costTable(results: ReadonlyMap<Contender, readonly Cost[]>): void {
    const [first] = results.values();
    const rows = [...results].map(([{ name }, costs]) => [
      ...costCells(name, costs, first!),
      ...reachedCells(costs),
    ]);
    this.report.table([...COST_HEAD, ...REACHED_HEAD], rows);
  }
}
