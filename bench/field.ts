import { Lab } from '#wanmark/lab/lab.js';
import { SERVER } from '#wanmark/lab/network.js';
import type { Contender } from './contender.js';
import { cpuSeconds, ksoftirqdSeconds } from './cpu.js';
import { Flows } from './flows.js';
import { Arrivals, type Latency } from './latency.js';

/** Short, since what is sent at once waits for itself. */
const LATENCY_TICK_US = 50;

/** What a connection cost that it chose for: what is dropped is cheap, and worth nothing. */
export interface Cost {
  /** Microseconds that the selector had a CPU, for each connection. */
  readonly selectorUs: number;
  /** The same of generator, selector and ksoftirqd together. */
  readonly machineUs: number;
  /** Connections a second that the generator really made. */
  readonly rate: number;
  /** Packets that were dropped or that the kernel had to decide. */
  readonly missed: number;
}

/** A router that the contenders take turns on. */
export class Field {
  readonly lab: Lab;
  readonly flows: Flows;

  private constructor(lab: Lab) {
    this.lab = lab;
    this.flows = new Flows(lab);
  }

  /** Three WANs whose gateways swallow what arrives, so that what comes behind the router is no part of the work. */
  static async start(): Promise<Field> {
    const lab = await Lab.start({ wans: 3, ipv6: false });
    for (const wan of lab.wans) {
      const rule = `-A PREROUTING -i up0 -p udp -d ${SERVER[4]} -j DROP`;
      await lab.gateway(wan).exec(['iptables-restore', '--noflush'], { input: `*raw\n${rule}\nCOMMIT\n` });
    }
    return new Field(lab);
  }

  /** Runs one contender for `work`, on an empty table. */
  async with<T>(
    contender: Contender,
    work: (running: Awaited<ReturnType<Contender['start']>>) => Promise<T>,
  ) {
    await this.lab.router.sh('conntrack -F 2>/dev/null');
    const running = await contender.start(this.lab);
    try {
      return await work(running);
    } finally {
      await running.stop();
    }
  }

  /** The cost of `count` connections at `rate`, after a tenth of them as a warm-up. */
  cost(contender: Contender, count: number, rate: number): Promise<Cost> {
    return this.with(contender, async (running) => {
      await this.flows.send(Math.ceil(count / 10), rate);
      const missed = await running.missed();
      const own = () => (running.pid === undefined ? 0 : cpuSeconds(running.pid));
      const [before, softBefore] = [own(), ksoftirqdSeconds()];
      const sent = await this.flows.send(count, rate);
      running.check();
      const [after, softAfter] = [own(), ksoftirqdSeconds()];
      const selector = after - before;
      const lost = (await running.missed()) - missed;
      const chosen = Math.max(1, count - lost);
      return {
        selectorUs: (selector / chosen) * 1e6,
        machineUs: ((selector + softAfter - softBefore + sent.cpuSeconds) / chosen) * 1e6,
        rate: count / sent.seconds,
        missed: lost,
      };
    });
  }

  /** How long a first packet is under way, after some seconds in which a daemon does what it does at its start. */
  latency(contender: Contender, count: number, rate: number, warmUpSeconds: number): Promise<Latency> {
    return this.with(contender, async () => {
      await this.flows.send(Math.ceil(rate * warmUpSeconds), rate, LATENCY_TICK_US);
      const arrivals = await Arrivals.start(this.lab);
      await this.flows.send(count, rate, LATENCY_TICK_US);
      return arrivals.end();
    });
  }

  /** The highest rate, of steps by a tenth, at which nothing was missed; undefined: not even the lowest. */
  highest(contender: Contender, from: number, seconds: number): Promise<number | undefined> {
    return this.with(contender, async (running) => {
      await this.flows.send(from / 10, from);
      let best: number | undefined;
      for (let rate = from; ; rate *= 1.1) {
        const before = await running.missed();
        const sent = await this.flows.send(Math.round(rate * seconds), rate);
        running.check();
        const reached = (rate * seconds) / sent.seconds;
        if ((await running.missed()) > before) return best;
        best = reached;
        // The generator, or the machine, is at its end.
        if (reached < 0.9 * rate) return best;
      }
    });
  }

  stop(): Promise<void> {
    return this.lab.stop();
  }
}
