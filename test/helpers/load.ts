import assert from 'node:assert/strict';
import type { LoadReport } from '#wanmark/lab/agent/protocol.js';
import { type Lab, SERVER_PORT } from '#wanmark/lab/lab.js';
import { SERVER } from '#wanmark/lab/network.js';
import { eventually } from './router-state.js';

/** The timeout of a patient program; TCP itself gives up a SYN after more than a minute (tcp_syn_retries). */
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

  /** Waits until `count` more connections have been answered. */
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

/** Counts connections by WAN; `none` counts those that used no WAN of the lab. */
export function byWan(lab: Lab, { sources }: LoadReport): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [source, count] of Object.entries(sources)) {
    const name = lab.wanOf(source) ?? 'none';
    counts[name] = (counts[name] ?? 0) + count;
  }
  return counts;
}

/**
 * Makes the lab's client send SYNs again after 1, 3 and 7 s, as most systems do. Linux from 6.5 on does so after 1, 2,
 * 3, 4, 5 and 7 s by default (tcp_syn_linear_timeouts).
 */
export async function exponentialSyns(lab: Pick<Lab, 'client'>): Promise<void> {
  const file = '/proc/sys/net/ipv4/tcp_syn_linear_timeouts';
  await lab.client.sh(`! [ -e ${file} ] || echo 0 >${file}`);
}

export function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** Asserts that every connection that was started got its answer. */
export function assertUnharmed({ started, done, failed, broken }: LoadReport): void {
  assert.deepEqual({ failed, broken, done }, { failed: {}, broken: {}, done: started });
}

/**
 * Runs `kill`, which breaks connections, and returns how many may have been open meanwhile: those started before its
 * end and not over at its beginning. A connection that was already made when its WAN died cannot be saved; one that was
 * still being made can.
 */
export async function inFlightDuring(load: SteadyLoad, kill: () => Promise<unknown>): Promise<number> {
  const before = await load.soFar();
  await kill();
  const after = await load.soFar();
  return after.started - before.done - total(before.failed) - total(before.broken);
}

/** Asserts that no connect failed, and that at most `inFlight` connections broke. */
export function assertConnects({ started, done, failed, broken }: LoadReport, inFlight: number): void {
  assert.deepEqual(failed, {});
  assert.ok(total(broken) <= inFlight, `${JSON.stringify(broken)}; ${inFlight} were under way`);
  assert.equal(done + total(broken), started);
}

/** A machine that is not overloaded answers within this time. */
const EASY_MS = 100;
const LEAST_RATE = 50;

/**
 * The rate that a test may ask for: `rate`, halved until the machine is not overloaded by it, so that the test does not
 * measure the machine.
 */
export async function feasibleRate(lab: Lab, rate: number): Promise<number> {
  for (let each = rate; ; each = Math.ceil(each / 2)) {
    const load = await SteadyLoad.start(lab, each);
    await load.more(Math.ceil(each / 2));
    const { longestMs } = await load.end();
    if (longestMs <= EASY_MS || each <= LEAST_RATE) return each;
  }
}
