import type { Lab } from '#wanmark/lab/lab.js';
import { SERVER } from '#wanmark/lab/network.js';
import { built } from './programs.js';

/** Of 60,000 ports from each of 60,000 ports. */
const FLOWS = 3_600_000_000;
/** Over as many addresses, since the kernel shares packets among queues by addresses alone (nfqueue_hash). */
const ADDRESSES = 16;
const BURST_TICK_US = 500;
/** At 20,000 a second one is due each 50 us; 4 leave room to catch up. */
const EVEN_TICK_US = 50;
const EVEN_MOST = 4;
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

  /** What is due, in bursts. @param tickUs microseconds between them */
  send(count: number, rate: number, tickUs = BURST_TICK_US): Promise<Sent> {
    return this.#send(count, rate, tickUs, 0);
  }

  /** As evenly as the machine allows, and rather late than in a crowd. */
  sendEvenly(count: number, rate: number): Promise<Sent> {
    return this.#send(count, rate, EVEN_TICK_US, EVEN_MOST);
  }

  async #send(count: number, rate: number, tickUs: number, most: number): Promise<Sent> {
    const numbers = [ADDRESSES, count, Math.round(rate), tickUs, most, this.made % FLOWS];
    this.made += count;
    const argv = [built('flows'), SERVER[4], ...numbers.map(String)];
    const { stdout } = await this.#lab.client.exec(argv, { timeoutMs: 600_000 });
    const [seconds, cpuSeconds] = stdout.trim().split(' ').map(Number);
    return { seconds: seconds!, cpuSeconds: cpuSeconds! };
  }
}
