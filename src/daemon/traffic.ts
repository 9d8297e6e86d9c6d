import type { Config } from '../config/config.js';
import type { TrafficStatus } from '../control/status.js';
import { type ByteCount, ByteMeter, type RateHistory } from '../core/byte-meter.js';
import { sharesDevice } from '../plan/counted.js';
import { readInstalled } from '../system/installed.js';
import { counterReadings, deviceCounts, ruleCounts } from '../system/wan-counters.js';
import type { Isolation } from './isolation.js';
import type { Months } from './months.js';

/** How often devices are asked, some 20 us each. */
const DEVICE_MS = 2000;
/** How often rules are read, which takes a program and some milliseconds. */
const RULES_MS = 5000;
/** For how long they are read so often after somebody asked. */
const INTEREST_MS = 60_000;
/** How often they are read otherwise, so that a month is missing little when its counters begin anew. */
const SELDOM_MS = 300_000;

export interface TrafficParts {
  readonly wans: Config['wans'];
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  readonly isolation: Isolation;
  readonly months: Pick<Months, 'read' | 'of'>;
  readonly devices?: typeof deviceCounts;
  readonly rules?: (wans: Config['wans']) => ReturnType<typeof ruleCounts>;
}

/**
 * The bytes of each WAN in both directions, with the rate of the last seconds and of the last ten minutes. Where a device is one
 * WAN's alone, its own counters are read, which also have what no rule has seen; where WANs share one, those of our rules are, and
 * often only while somebody looks.
 */
export class Traffic {
  readonly #parts: TrafficParts;
  #wans: Config['wans'] = [];
  #meters: ReadonlyMap<string, ByteMeter> = new Map();
  #shared: ReadonlySet<string> = new Set();
  #timer: NodeJS.Timeout | undefined;
  #asked = Number.NEGATIVE_INFINITY;
  #readRules = Number.NEGATIVE_INFINITY;

  constructor(parts: TrafficParts) {
    this.#parts = parts;
    this.follow(parts.wans);
  }

  /** Counts for these WANs from now on; one of the same name and device counts on. */
  follow(wans: Config['wans']): void {
    const devices = new Map(this.#wans.map(({ name, dev }) => [name, dev]));
    const shared = new Set(wans.filter((wan) => sharesDevice(wan, wans)).map(({ name }) => name));
    const before = this.#meters;
    this.#meters = new Map(
      wans.map(({ name, dev }) => {
        // Another counter begins elsewhere.
        const isSame = devices.get(name) === dev && shared.has(name) === this.#shared.has(name);
        return [name, (isSame ? before.get(name) : undefined) ?? new ByteMeter()];
      }),
    );
    this.#shared = shared;
    this.#wans = wans;
  }

  begin(): void {
    if (this.#meters.size === 0) return;
    const { isolation } = this.#parts;
    const read = () => isolation.run(() => this.#read(), undefined);
    read();
    this.#timer = setInterval(read, DEVICE_MS).unref();
  }

  /** Ends it with a last reading. */
  stop(): void {
    clearInterval(this.#timer);
    this.#readDevices();
  }

  /** Null where nothing was counted yet. */
  status(wan: string): TrafficStatus | null {
    this.#asked = this.#parts.now();
    const meter = this.#meters.get(wan);
    if (meter?.total === undefined) return null;
    const { total, rate } = meter;
    const { months } = this.#parts;
    return {
      inBytes: total.in,
      outBytes: total.out,
      inBitsPerSecond: rate?.in ?? null,
      outBitsPerSecond: rate?.out ?? null,
      counter: this.#shared.has(wan) ? 'rules' : 'device',
      month: months.of(wan) ?? null,
    };
  }

  /** Null where there is no such WAN. */
  history(wan: string): RateHistory | null {
    return this.#meters.get(wan)?.history(this.#parts.now()) ?? null;
  }

  #read(): void {
    const { now, isolation } = this.#parts;
    this.#readDevices();
    const at = now();
    const pause = at - this.#asked < INTEREST_MS ? RULES_MS : SELDOM_MS;
    if (this.#shared.size === 0 || at - this.#readRules < pause) return;
    this.#readRules = at;
    void this.#readShared().catch(isolation.report);
  }

  #readDevices(): void {
    const { devices = deviceCounts } = this.#parts;
    this.#take(false, devices(this.#wans));
  }

  async #readShared(): Promise<void> {
    const { rules = installedCounts } = this.#parts;
    const counts = await rules(this.#wans);
    this.#take(true, counts);
  }

  /** Takes in what is counted of the WANs that share a device, or of the others. */
  #take(shared: boolean, counts: ReadonlyMap<string, ByteCount>): void {
    const { now, months } = this.#parts;
    const at = now();
    for (const [name, meter] of this.#meters)
      if (this.#shared.has(name) === shared) meter.read(counts.get(name), at);
    months.read(counterReadings(this.#wans, counts));
  }
}

async function installedCounts(wans: Config['wans']): ReturnType<typeof ruleCounts> {
  const installed = readInstalled();
  return installed === undefined ? new Map() : ruleCounts(wans, installed);
}
