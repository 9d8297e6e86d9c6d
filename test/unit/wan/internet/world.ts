import { parseConfig } from '#wanmark/config/config.js';
import type { RawConfig } from '#wanmark/config/options.js';
import type { Strategy } from '#wanmark/core/strategy.js';
import { seeded } from '../../../helpers/random.js';
import { wan } from '../../flows.js';
import { type Connected, closedLoop, connectOnce, type LoadOptions, load } from './clients.js';
import { EventClock } from './event-clock.js';
import { Internet, type Paths } from './internet.js';
import { Router } from './router.js';

export interface WorldOptions extends Paths {
  readonly seed?: number;
  /** The WANs' tiers; three of tier 1 by default. They are called `wan1`, `wan2`, ... */
  readonly tiers?: readonly number[];
  readonly strategy?: Strategy;
  readonly raw?: RawConfig;
}

const roundRobin = (): Strategy => {
  let n = 0;
  return { pick: (_flow, all) => all[n++ % all.length]! };
};

/** Clients, a router and the internet. The same seed makes the same world. */
export class World {
  readonly clock = new EventClock();
  readonly random: () => number;
  readonly router: Router;
  /** How many connections that clients hold were cut. */
  cut = 0;

  constructor(options: WorldOptions = {}) {
    const { seed = 1, tiers = [1, 1, 1], strategy = roundRobin(), raw = {} } = options;
    this.random = seeded(seed);
    const wans = tiers.map((tier, i) => wan(i + 1, { tier, via6: undefined }));
    const config = parseConfig({
      wan: wans.map(({ name, dev, via, tier: number }) => ({ name, dev, via, tier: number })),
      ...raw,
    });
    const internet = new Internet(this.clock, this.random, options);
    this.router = new Router(this.clock, internet, this.random, {
      wans,
      strategy,
      health: config.health,
    });
  }

  load(options: LoadOptions): readonly Connected[] {
    return load(this.clock, this.router, this.random, options);
  }

  closedLoop(atATime: number, options: Parameters<typeof closedLoop>[3]): readonly Connected[] {
    return closedLoop(this.clock, this.router, atATime, options);
  }

  /** Opens connections that are held. */
  hold(count: number, dst: string): void {
    for (let i = 0; i < count; i++) {
      connectOnce(
        this.clock,
        this.router,
        { src: '192.168.1.200', dst },
        {},
        () => {},
        () => this.cut++,
      );
    }
  }

  pass(seconds: number): Promise<void> {
    return this.clock.passUntil(this.clock.now() + 1000 * seconds);
  }

  /** The part of `seconds` in which a WAN was avoided, 0 to 1. */
  avoided(name: string, seconds: number): number {
    return (this.router.avoidedMs.get(name) ?? 0) / 1000 / seconds;
  }
}
