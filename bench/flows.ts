import type { Lab } from '#wanmark/lab/lab.js';
import { SERVER } from '#wanmark/lab/network.js';
import { built } from './programs.js';

/** Different flows: 60,000 source ports to each of 60,000 ports. */
const FLOWS = 3_600_000_000;
/** Destination addresses: the kernel shares packets among queues by addresses alone (nfqueue_hash). */
const ADDRESSES = 16;
const BURST_TICK_US = 500;
/** At 20,000 packets a second one is due every 50 us; up to 4 at a time leave room to catch up. */
const EVEN_TICK_US = 50;
const EVEN_MOST = 4;
/** The network that has all the destination addresses, and no address of a gateway. */
export const DESTINATIONS = `${SERVER[4]}/27`;

/** What the generator of new connections needed. */
export interface Sent {
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Connections that were made; undefined for datagrams, which nobody answers. */
  readonly succeeded?: number;
}

/** Makes new connections from the client to the server's network, each with a 5-tuple not used before. */
export class Flows {
  readonly #lab: Lab;
  /** Connections made since this object was made. */
  made = 0;

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  /** Sends what is due in bursts. @param tickUs microseconds between bursts */
  send(count: number, rate: number, tickUs = BURST_TICK_US): Promise<Sent> {
    return this.#send(count, rate, tickUs, 0);
  }

  /** Sends as evenly as the machine allows: a late packet is sent later rather than in a burst. */
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
