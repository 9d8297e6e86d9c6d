import type { Lab } from '#wanmark/lab/lab.js';
import { SERVER } from '#wanmark/lab/network.js';
import { built } from './programs.js';

/** Of 60,000 ports from each of 60,000 ports. */
const FLOWS = 3_600_000_000;
/** Over as many addresses, since the kernel shares packets among queues by addresses alone (nfqueue_hash). */
const ADDRESSES = 16;
/** All of them, and none of a gateway. */
export const DESTINATIONS = `${SERVER[4]}/27`;

/** What the generator of new connections needed. */
export interface Sent {
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Connections that were made; undefined where nobody answers. */
  readonly succeeded?: number;
}

/** Makes new connections from the client to the server and its neighbours; none twice. */
export class Flows {
  readonly #lab: Lab;
  /** How many, since ever. */
  made = 0;

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  /** @param tickUs microseconds between bursts */
  async send(count: number, rate: number, tickUs = 500): Promise<Sent> {
    const args = [SERVER[4], ADDRESSES, count, Math.round(rate), tickUs, this.made % FLOWS].map(String);
    this.made += count;
    const { stdout } = await this.#lab.client.exec([built('flows'), ...args], { timeoutMs: 600_000 });
    const [seconds, cpuSeconds] = stdout.trim().split(' ').map(Number);
    return { seconds: seconds!, cpuSeconds: cpuSeconds! };
  }
}
