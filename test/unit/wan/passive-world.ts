// A simulated internet for the passive detector: clients open connections by WANs in turn or at random, some
// destinations are dead, and from some moment on a WAN swallows everything. Seeded, so every run is the same.
import { Detector, type Suspicion } from '#wanmark/wan/passive/detector.js';
import { LOOKS_MS, MOST_PER_TICK, TICK_MS } from '#wanmark/wan/passive/watch.js';

export interface World {
  readonly seed: number;
  readonly wans?: number;
  readonly perSecond: number;
  /** Share of destinations that never answer. */
  readonly dead: number;
  readonly seconds: number;
  /** When WAN w1 begins to swallow everything, in seconds. */
  readonly blackholeAt?: number;
  /** Number of destinations, of which popular ones are asked more often (Zipf). Default 300. */
  readonly destinations?: number;
  /** Round trip in milliseconds; default 60. */
  readonly rttMs?: (wan: string, atSeconds: number) => number;
  /** Chance that a SYN or its answer is lost; the SYN is sent again after 1, 3 and 7 s. Default 0.01. */
  readonly loss?: (wan: string, atSeconds: number) => number;
  /** The index of the WAN for a connection; default random. */
  readonly choose?: (random: () => number, destination: number) => number;
  /** Whether a destination is dead at this time, besides the share of `dead`. */
  readonly isDead?: (destination: number, atSeconds: number, wan: string) => boolean;
  readonly stopAtSuspicion?: boolean;
}

export interface Outcome {
  /** Each suspicion, with the time it was raised at in seconds. */
  readonly suspicions: readonly (Suspicion & { readonly at: number })[];
}

/** When a client sends a SYN and sends it again, in ms from the start (RFC 6298). */
const SYNS_MS = [0, 1000, 3000, 7000];

export function mulberry(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

interface Sample {
  readonly id: number;
  readonly wan: string;
  readonly dst: string;
  readonly decidedAt: number;
  /** When the connection is answered, in ms; Infinity when never. */
  readonly answeredAt: number;
  looks: number;
  knownMs: number;
}

/** Cumulative shares of `count` destinations, of which the n-th is asked 1/n as often as the first. */
function zipf(count: number): number[] {
  const weights = Array.from({ length: count }, (_, i) => 1 / (i + 1));
  const total = weights.reduce((a, b) => a + b);
  let sum = 0;
  return weights.map((weight) => {
    sum += weight / total;
    return sum;
  });
}

function pick(shares: readonly number[], value: number): number {
  let low = 0;
  let high = shares.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (shares[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Runs a world to its end. As in the daemon, a suspected WAN gets no new connections. */
export function simulate(world: World): Outcome {
  const random = mulberry(world.seed);
  const wans = Array.from({ length: world.wans ?? 3 }, (_, i) => `w${i + 1}`);
  const shares = zipf(world.destinations ?? 300);
  const dead = shares.map(() => random() < world.dead);
  const rttMs = world.rttMs ?? (() => 60);
  const loss = world.loss ?? (() => 0.01);
  const detector = new Detector();
  const suspicions: (Suspicion & { at: number })[] = [];
  let suspected = new Set<string>();
  let samples: Sample[] = [];
  const blackholeAt = (world.blackholeAt ?? Number.POSITIVE_INFINITY) * 1000;
  const swallows = (wan: string, at: number) => wan === 'w1' && at >= blackholeAt;
  const firstAnswer = (sent: number, wan: string) => {
    const passes = (ms: number) => random() >= loss(wan, (sent + ms) / 1000) && !swallows(wan, sent + ms);
    const arrivals = SYNS_MS.filter(passes).map(
      (ms) => sent + ms + rttMs(wan, (sent + ms) / 1000) * (0.5 + random()),
    );
    return Math.min(Number.POSITIVE_INFINITY, ...arrivals);
  };
  let id = 0;
  let next = 0;
  for (let now = 0; now < world.seconds * 1000; now += TICK_MS) {
    const taken = new Map<string, number>();
    // Poisson arrivals up to this tick.
    for (; next < now; next += (-Math.log(1 - random()) / world.perSecond) * 1000) {
      const up = wans.filter((wan) => !suspected.has(wan));
      const destination = pick(shares, random());
      const wanted = world.choose?.(random, destination) ?? Math.floor(random() * up.length);
      const wan = world.choose ? wans[wanted]! : up[wanted]!;
      const count = taken.get(wan) ?? 0;
      if (count >= MOST_PER_TICK || suspected.has(wan)) continue;
      taken.set(wan, count + 1);
      const at = next / 1000;
      const never = dead[destination] || world.isDead?.(destination, at, wan);
      const answeredAt = never ? Number.POSITIVE_INFINITY : firstAnswer(next, wan);
      const dst = `10.${destination >> 8}.${destination & 255}.1`;
      samples.push({ id: id++, wan, dst, decidedAt: next, answeredAt, looks: 0, knownMs: 0 });
    }
    const kept: Sample[] = [];
    for (const sample of samples) {
      if (now - sample.decidedAt < LOOKS_MS[sample.looks]!) {
        kept.push(sample);
        continue;
      }
      const answered = now >= sample.answeredAt;
      const { knownMs } = sample;
      if (!answered) sample.knownMs = now - sample.decidedAt;
      sample.looks++;
      detector.add({ ...sample, dport: 443, lookedAt: now, answered, knownMs });
      if (!answered && sample.looks < LOOKS_MS.length) kept.push(sample);
    }
    samples = kept;
    const found = detector.suspects(wans, now);
    for (const suspicion of found) {
      if (suspected.has(suspicion.wan)) continue;
      suspicions.push({ ...suspicion, at: now / 1000 });
      if (world.stopAtSuspicion) return { suspicions };
    }
    suspected = new Set(found.map(({ wan }) => wan));
  }
  return { suspicions };
}
