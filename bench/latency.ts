import type { Lab } from '#wanmark/lab/lab.js';
import type { Program } from '#wanmark/lab/program.js';
import { built } from './programs.js';
import { percentile } from './stats.js';

/** Times from the sending of a first packet to its arrival at a gateway, in microseconds. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly arrived: number;
}

/** The latencies of one window. */
export interface Window extends Latency {
  /** Packets that the selector missed. */
  readonly missed: number;
  /** Connections a second that the generator reached. */
  readonly rate: number;
}

/** Listens at all gateways; the kernel there stamps each packet and then drops it. */
export class Arrivals {
  readonly #programs: readonly Program[];

  private constructor(programs: readonly Program[]) {
    this.#programs = programs;
  }

  static async start(lab: Lab): Promise<Arrivals> {
    const programs = lab.wans.map((wan) => lab.gateway(wan).spawn([built('arrivals'), 'up0']));
    await Promise.all(programs.map((program) => program.waitForLine(/^ready$/)));
    return new Arrivals(programs);
  }

  /** Ends the programs. @returns the latencies of all packets they saw */
  async end(): Promise<Latency> {
    for (const program of this.#programs) program.end();
    for (const program of this.#programs) {
      if ((await program.exited).code !== 0) throw program.error('failed');
    }
    const ns = this.#programs.flatMap(({ lines }) => lines.slice(1).map(Number));
    const sorted = Float64Array.from(ns).sort();
    const us = (part: number) => percentile(sorted, part) / 1000;
    return { p50: us(0.5), p99: us(0.99), p999: us(0.999), arrived: sorted.length };
  }
}
