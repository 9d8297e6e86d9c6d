import type { Lab } from '#wanmark/lab/lab.js';
import { SERVER } from '#wanmark/lab/network.js';
import { childrenOf, type Program } from '#wanmark/lab/program.js';
import { cpuSeconds } from './cpu.js';
import type { Sent } from './flows.js';
import { built } from './programs.js';

const FIRST_PORT = 9000;
const PORTS = 32;
/** Different connections: 60,000 source ports to each of the server's ports. */
const CONNECTS = 60_000 * PORTS;

/** What the TCP generator and the program that accepts needed, and what became of the connections. */
export interface Connected extends Sent {
  readonly succeeded: number;
  /** Connects that succeeded but took longer than half a second, because a SYN was lost. */
  readonly slow: number;
  readonly failed: number;
}

/** Makes TCP connections from the client to the server through any WAN, each with a 5-tuple not used before. */
export class Connects {
  readonly #lab: Lab;
  /** Connections tried since this object was made. */
  made = 0;
  #acceptor: Program | undefined;

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  async send(count: number, rate: number): Promise<Connected> {
    const acceptor = await this.#accepting();
    const before = cpuSeconds(acceptor);
    const args = [SERVER[4], FIRST_PORT, PORTS, count, Math.round(rate), this.made % CONNECTS].map(String);
    this.made += count;
    const { stdout } = await this.#lab.client.exec([built('connects'), ...args], { timeoutMs: 600_000 });
    const [seconds, own, succeeded, slow, failed] = stdout.trim().split(' ').map(Number);
    return {
      seconds: seconds!,
      cpuSeconds: own! + cpuSeconds(acceptor) - before,
      succeeded: succeeded!,
      slow: slow!,
      failed: failed!,
    };
  }

  /** @returns the id of the process that accepts; it starts at the first call and ends with the lab */
  async #accepting(): Promise<number> {
    if (this.#acceptor === undefined) {
      this.#acceptor = this.#lab.server.spawn([built('acceptor'), String(FIRST_PORT), String(PORTS)]);
      await this.#acceptor.waitForLine(/^ready$/);
    }
    const [pid] = childrenOf(this.#acceptor.pid);
    if (pid === undefined) throw this.#acceptor.error('ended by itself');
    return pid;
  }
}
