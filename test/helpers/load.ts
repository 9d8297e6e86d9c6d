import type { LoadReport } from '#wanmark/lab/agent/protocol.js';
import { type Lab, SERVER_PORT } from '#wanmark/lab/lab.js';
import { SERVER } from '#wanmark/lab/network.js';
import { eventually } from './router-state.js';

/** As a patient program: TCP gives up a SYN after more than a minute, tcp_syn_retries. */
const CONNECT_TIMEOUT_MS = 30_000;

/** A steady stream of new TCP connections from the client to the internet server. */
export class SteadyLoad {
  readonly #lab: Lab;

  private constructor(lab: Lab) {
    this.#lab = lab;
  }

  /** @param rate connections per second */
  static async start(lab: Lab, rate: number): Promise<SteadyLoad> {
    await lab.client.agent.request({
      op: 'load',
      family: 4,
      to: SERVER[4],
      port: SERVER_PORT,
      rate,
      from: lab.sourcesOf(lab.client, 4),
      timeoutMs: CONNECT_TIMEOUT_MS,
    });
    return new SteadyLoad(lab);
  }

  soFar(): Promise<LoadReport> {
    return this.#lab.client.agent.request({ op: 'loadSoFar' });
  }

  /** Waits until so many more have been answered. */
  async more(count: number): Promise<LoadReport> {
    const { done } = await this.soFar();
    return eventually(
      () => this.soFar(),
      (now) => now.done >= done + count,
      `${count} more connections`,
    );
  }

  end(): Promise<LoadReport> {
    return this.#lab.client.agent.request({ op: 'loadEnd' });
  }
}

/** Connections by WAN; `none` by no WAN of the lab. */
export function byWan(lab: Lab, { sources }: LoadReport): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [source, count] of Object.entries(sources)) {
    const name = lab.wanOf(source) ?? 'none';
    counts[name] = (counts[name] ?? 0) + count;
  }
  return counts;
}

/** A machine that has time left answers within this. */
const EASY_MS = 100;
const LEAST_RATE = 50;

/**
 * The rate that a test may ask for: `rate`, halved until the machine has time left besides, so that it is not the
 * machine that is tested.
 */
export async function feasibleRate(lab: Lab, rate: number): Promise<number> {
  for (let each = rate; ; each = Math.ceil(each / 2)) {
    const load = await SteadyLoad.start(lab, each);
    await load.more(Math.ceil(each / 2));
    const { longestMs } = await load.end();
    if (longestMs <= EASY_MS || each <= LEAST_RATE) return each;
  }
}
