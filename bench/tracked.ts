import { BenchDaemon, live } from './daemon.js';
import type { Field } from './field.js';
import { replaceTable, tracked } from './held.js';
import { type CpuTime, cpuTime, peakMemory, since } from './threads.js';

/** Microseconds between bursts. A decision in a burst costs less than a single one: several share one wake-up. */
const TICK_US = 10_000;
const UDP_TIMEOUT = '/proc/sys/net/netfilter/nf_conntrack_udp_timeout';

export interface Sample {
  /** Nanoseconds a decision. */
  readonly each: CpuTime;
  /** Nanoseconds a decision takes of the threads that decide. */
  readonly deciding: number;
  /** The conntrack thread's share of one core, 0..1. */
  readonly conntrackShare: number;
  /** Connections tracked at the end. */
  readonly tracked: number;
  /** Peak of the process so far, in MB. */
  readonly memory: number;
}

/** A daemon that counts connections, on a router whose table is filled and emptied. */
export class Tracked {
  readonly #field: Field;
  readonly #daemon: BenchDaemon;
  /** The router's old setting, restored at the end. */
  readonly #udpTimeout: string;

  private constructor(field: Field, daemon: BenchDaemon, udpTimeout: string) {
    this.#field = field;
    this.#daemon = daemon;
    this.#udpTimeout = udpTimeout;
  }

  static async start(field: Field, socket: string, ...args: string[]): Promise<Tracked> {
    await field.rules();
    // The router should quickly forget the connections that the benchmark itself opens.
    const { stdout } = await field.lab.router.sh(`cat ${UDP_TIMEOUT}\necho 1 >${UDP_TIMEOUT}`);
    const daemon = await BenchDaemon.start(field.lab, socket, ...args);
    return new Tracked(field, daemon, stdout.trim());
  }

  /** Brings the table to the `held` connections of a file and waits until the daemon has counted them. */
  async hold(held: number, file: string): Promise<void> {
    await replaceTable(this.#field.lab.router, file);
    const slack = Math.max(10, held / 100);
    await this.#daemon.until(
      (status) => Math.abs(live(status) - held) <= slack,
      `${held} connections counted`,
    );
  }

  /** @throws {Error} when the daemon did not decide every new connection, since the figures then mean little */
  async measure(count: number, rate: number): Promise<Sample> {
    const daemon = this.#daemon;
    const { verdicts, kernelDecided } = (await daemon.status()).queue;
    const start = performance.now();
    const before = cpuTime(daemon.pid);
    await this.#field.flows.send(count, rate, TICK_US);
    const { queue } = await daemon.until(
      (status) => status.queue.verdicts >= verdicts + count,
      `${count} connections decided`,
      30_000,
    );
    const spent = since(before, cpuTime(daemon.pid));
    const ns = (performance.now() - start) * 1e6;
    const strange = queue.verdicts - verdicts - count + queue.kernelDecided - kernelDecided;
    if (strange > count / 100) {
      throw new Error(`${strange} packets more than expected, or left to the kernel`);
    }
    const each = {
      conntrack: spent.conntrack / count,
      queue: spent.queue / count,
      rest: spent.rest / count,
      queueRuns: spent.queueRuns / count,
    };
    return {
      each,
      deciding: each.queue + each.rest,
      conntrackShare: spent.conntrack / ns,
      tracked: await tracked(this.#field.lab.router),
      memory: peakMemory(daemon.pid),
    };
  }

  async stop(): Promise<void> {
    await this.#daemon.stop();
    await this.#field.lab.router.sh(`echo ${this.#udpTimeout} >${UDP_TIMEOUT}`);
  }
}
