import { Lab } from '#wanmark/lab/lab.js';
import { Wanmark } from '#wanmark/lab/wanmark.js';
import { type Connected, Connects } from './connects.js';
import type { Contender, Running } from './contender.js';
import type { Cost } from './cost.js';
import { cpuSeconds, ksoftirqdSeconds } from './cpu.js';
import { DESTINATIONS, Flows, type Sent } from './flows.js';
import { replaceTable } from './held.js';
import { Arrivals, type Window } from './latency.js';
import { peakMemory } from './threads.js';
import { answered } from './waiting.js';

/** The router on which the contenders take turns. */
export class Field {
  readonly lab: Lab;
  readonly flows: Flows;
  readonly connects: Connects;
  #rules: string | null | undefined;

  private constructor(lab: Lab) {
    this.lab = lab;
    this.flows = new Flows(lab);
    this.connects = new Connects(lab);
  }

  /** Starts a lab of three WANs whose gateways drop datagrams, so that only the router's work is measured. */
  static async start(): Promise<Field> {
    const lab = await Lab.start({ wans: 3, ipv6: false });
    for (const wan of lab.wans) {
      const rule = `-A PREROUTING -i up0 -p udp -d ${DESTINATIONS} -j DROP`;
      await lab.gateway(wan).exec(['iptables-restore', '--noflush'], { input: `*raw\n${rule}\nCOMMIT\n` });
    }
    return new Field(lab);
  }

  /**
   * Gives the router the rules of `wanmark up` with these arguments, unless it has them already.
   * @param args null: only masquerading, without rules of ours
   */
  async rules(args: readonly string[] | null = []): Promise<void> {
    const wanted = args === null ? null : args.join(' ');
    if (this.#rules === wanted) return;
    const wanmark = new Wanmark(this.lab);
    if (this.#rules === null) await this.#masquerade('-D');
    if (args === null) {
      await wanmark.down();
      await this.#masquerade('-A');
    } else await wanmark.up(...args);
    this.#rules = wanted;
  }

  async #masquerade(verb: '-A' | '-D'): Promise<void> {
    for (const { dev } of this.lab.wans)
      await this.lab.router.exec([
        'iptables',
        '-t',
        'nat',
        verb,
        'POSTROUTING',
        '-o',
        dev,
        '-j',
        'MASQUERADE',
      ]);
  }

  /** Runs one contender for the time of `work`, beginning with an empty conntrack table. */
  async with<T>(contender: Contender, work: (running: Running) => Promise<T>): Promise<T> {
    await this.rules(contender.rules ?? null);
    await this.lab.router.sh('conntrack -F 2>/dev/null');
    const running = await contender.start(this.lab, () => this.flows.made + this.connects.made);
    try {
      return await work(running);
    } finally {
      await running.stop();
    }
  }

  /**
   * Measures the cost of `count` datagrams at `rate` a second, after a tenth as many as a warm-up.
   * @param held a file of `writeHeld` with connections that are tracked meanwhile
   */
  async cost(contender: Contender, count: number, rate: number, held?: string): Promise<Cost> {
    const { cost } = await this.#cost(contender, count, (some) => this.flows.send(some, rate), held);
    return cost;
  }

  /** Measures the cost of `count` TCP connections at `rate` a second, and what became of them. */
  async connectCost(contender: Contender, count: number, rate: number): Promise<Cost & Connected> {
    const { cost, sent } = await this.#cost(contender, count, (some) => this.connects.send(some, rate));
    return { ...sent, ...cost };
  }

  #cost<S extends Sent>(
    contender: Contender,
    count: number,
    send: (count: number) => Promise<S>,
    held?: string,
  ) {
    return this.with(contender, async (running) => {
      if (held !== undefined) await replaceTable(this.lab.router, held);
      await send(Math.ceil(count / 10));
      await answered(this.lab.router);
      const missed = await running.missed();
      const own = () => (running.pid === undefined ? 0 : cpuSeconds(running.pid));
      const [before, softBefore] = [own(), ksoftirqdSeconds()];
      const sent = await send(count);
      await answered(this.lab.router);
      running.check();
      const [after, softAfter] = [own(), ksoftirqdSeconds()];
      const selector = after - before;
      const lost = (await running.missed()) - missed;
      const chosen = Math.max(1, sent.succeeded ?? count - lost);
      const cost: Cost = {
        selectorUs: (selector / chosen) * 1e6,
        machineUs: ((selector + softAfter - softBefore + sent.cpuSeconds) / chosen) * 1e6,
        rate: count / sent.seconds,
        missed: lost,
        memory: running.pid === undefined ? undefined : peakMemory(running.pid),
        picks: await running.picks(),
      };
      return { cost, sent };
    });
  }

  /** Measures how long a first packet is under way, once the work of a daemon's first seconds is over. */
  latency(contender: Contender, seconds: number, rate: number, warmUpSeconds: number): Promise<Window> {
    return this.with(contender, async (running) => {
      await this.flows.sendEvenly(Math.ceil(rate * warmUpSeconds), rate);
      await answered(this.lab.router);
      const arrivals = await Arrivals.start(this.lab);
      const before = await running.missed();
      const count = Math.round(rate * seconds);
      const sent = await this.flows.sendEvenly(count, rate);
      await answered(this.lab.router);
      running.check();
      const missed = (await running.missed()) - before;
      return { ...(await arrivals.end()), missed, rate: count / sent.seconds };
    });
  }

  stop(): Promise<void> {
    return this.lab.stop();
  }
}
